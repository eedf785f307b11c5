"""A real portal, database and edges, killed and cut off while clients are connected."""
