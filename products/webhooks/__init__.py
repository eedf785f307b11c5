"""Webhooks: an account's audit trail, sent to its own servers as it grows (Standard Webhooks)."""
