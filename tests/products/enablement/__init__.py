"""Tests of products.enablement."""
