"""The HAProxy engine: HAProxy forwards the bytes, an agent configures it and meters."""
