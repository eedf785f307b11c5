"""The API of users, tokens and the audit trail."""
