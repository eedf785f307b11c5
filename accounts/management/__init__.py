"""The operator's commands for accounts."""
