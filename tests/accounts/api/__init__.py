"""Tests of the API about people, tokens and the trail."""
