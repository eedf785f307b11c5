"""The compatibility rules: what cannot be combined with WebSockets, in plain Python."""
