"""Tests of the API about services and products."""
