"""Usage of services (connections, minutes, bytes) and the edges that report it."""
