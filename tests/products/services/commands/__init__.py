"""Tests of the commands on services and versions."""
