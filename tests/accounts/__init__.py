"""Tests of accounts, people and the trail."""
