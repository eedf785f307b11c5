"""Whole journeys in a real browser, with everything running."""
