"""Waiting for another process."""

import time

import pytest

DEADLINE_SECONDS = 120.0


def until(condition, what):
    """Return the first true value of the condition; fail after a generous deadline."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < ends_at:
        if found := condition():
            return found
        time.sleep(0.01)
    pytest.fail(f"not within {DEADLINE_SECONDS:g} s: {what}")
