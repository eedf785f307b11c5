"""Whole journeys, in a real browser, against everything running."""
