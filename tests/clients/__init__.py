"""Clients that others wrote, run unchanged against the API."""
