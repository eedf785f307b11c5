"""Tests of the decision, activation and the route table."""
