"""What can be bought, and at what price."""
