"""The trail: what was done, by whom, chained and append-only."""
