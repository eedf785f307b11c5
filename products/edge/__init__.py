"""The edge data plane: plain Python, no framework in the process."""
