"""Tests of the enablement flat."""
