"""The commands that change accounts, users, access and tokens; each a `recorded_change`."""
