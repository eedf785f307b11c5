"""The deployment decision, activation, and the route table."""
