"""Tests of the house itself: rooms, doors, words and walls."""
