"""Tests of domain claims and their verification."""
