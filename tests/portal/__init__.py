"""Tests of the portal's own rooms."""
