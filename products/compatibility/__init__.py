"""The rulebook: what WebSockets does not go with, in plain Python."""
