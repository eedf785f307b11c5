"""Tests of the metering."""
