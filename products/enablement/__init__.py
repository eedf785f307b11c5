"""Joins a product to an account, or to a service."""
