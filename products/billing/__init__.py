"""Turns usage and prices into charges."""
