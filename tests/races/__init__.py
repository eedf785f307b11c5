"""Concurrent changes in separate processes: no change is lost, and no process is blocked."""
