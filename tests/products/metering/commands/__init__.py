"""Tests of what changes of edges and usage."""
