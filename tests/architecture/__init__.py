"""Tests of the code base itself: layers, modules, writes, events and words."""
