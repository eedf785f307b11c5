"""What customers run, and how it is configured."""
