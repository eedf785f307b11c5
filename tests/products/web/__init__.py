"""Tests of the portal's pages about products and services."""
