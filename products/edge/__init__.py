"""The data plane: plain Python that carries, gates and meters connections."""
