"""What changes accounts, people, access and tokens; each through the door."""
