"""Waiting for another process."""

import signal
import subprocess
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


def stop(process, *, by=signal.SIGTERM, seconds=DEADLINE_SECONDS):
    """Stop `manage.py run`; raise TimeoutExpired if that takes too long.

    Then it is killed, and what it has started ends with it.
    """
    process.send_signal(by)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
