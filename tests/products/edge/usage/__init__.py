"""Tests of the usage store, the meter and the reporter."""
