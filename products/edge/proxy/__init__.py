"""The embedded engine: listener, client connections, HTTP forwarding, tunnels, workers."""
