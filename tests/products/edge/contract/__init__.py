"""Tests of the edge data plane."""
