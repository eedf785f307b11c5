"""The declarations of kinds of parts."""
