"""Tests of the audit storey."""
