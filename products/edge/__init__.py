"""The data plane: forwards connections, closes those no longer permitted, meters usage."""
