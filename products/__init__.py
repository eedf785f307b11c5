"""What can be bought, what is on, and what carries it."""
