"""Tests of services, versions and what they hold."""
