"""Tests of products.billing."""
