"""Waiting for another process, and for a new day."""

import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta

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


def time_away_from_midnight(minutes):
    """Return the time of this machine, after midnight (UTC) if that comes within so many minutes.

    For a test with real clocks that must not end in another day or month than it began in.
    """
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    midnight += timedelta(days=1)
    if midnight - now < timedelta(minutes=minutes):
        while datetime.now(UTC) < midnight:
            time.sleep(0.1)
    return datetime.now(UTC)
