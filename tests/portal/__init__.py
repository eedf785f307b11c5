"""Tests of the portal package."""
