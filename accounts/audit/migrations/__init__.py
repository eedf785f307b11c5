"""Migrations of the audit storey."""
