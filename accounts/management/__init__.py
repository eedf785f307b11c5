"""The operator's commands of the accounts storey."""
