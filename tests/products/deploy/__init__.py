"""Tests of the deploy flat."""
