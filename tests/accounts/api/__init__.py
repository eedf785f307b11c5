"""Tests of the API of users, tokens and the audit trail."""
