"""Tests of products.catalogue."""
