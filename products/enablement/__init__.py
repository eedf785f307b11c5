"""Products enabled for accounts and switched on for services."""
