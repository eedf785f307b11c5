"""Tests of the commands of webhooks."""
