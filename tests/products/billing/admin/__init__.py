"""Tests of products.billing.admin."""
