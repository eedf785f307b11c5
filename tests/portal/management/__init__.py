"""Tests of the portal's management commands."""
