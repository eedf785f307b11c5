"""The rulebook, rule by rule, each proved by its number."""
