"""Tests of what changes people, seats, tokens and mail."""
