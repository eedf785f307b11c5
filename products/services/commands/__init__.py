"""What changes services, versions and what they hold; each through the one door."""
