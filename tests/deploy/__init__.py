"""What deploy/ ships, run as in production."""
