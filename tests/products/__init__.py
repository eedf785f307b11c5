"""Tests of the products storey."""
