"""The portal, its database and edges, killed and cut off in the midst of it: all of them real."""
