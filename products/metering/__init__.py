"""What services used: connections, minutes, bytes; and the edges that report it."""
