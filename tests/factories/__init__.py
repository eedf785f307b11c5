"""Rows for tests, and the time at which tests take place."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
