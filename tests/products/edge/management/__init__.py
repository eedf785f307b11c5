"""The edge's management command."""
