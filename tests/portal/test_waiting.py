"""Processes that tests start do not outlive them, and tests do not run into another month."""

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.portal.waiting import stop, time_away_from_midnight

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
signal.pause()
"""


def test_a_process_that_does_not_stop_in_time_is_killed():
    command = [sys.executable, "-c", DEAF]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()

        with pytest.raises(subprocess.TimeoutExpired):
            stop(process, seconds=0.1)

    assert process.returncode == -signal.SIGKILL


MONTH_END = datetime(2026, 12, 1, tzinfo=UTC)


def test_a_test_waits_for_a_midnight_that_is_near():
    with time_machine.travel(MONTH_END - timedelta(seconds=0.5), tick=True):
        assert time_away_from_midnight(minutes=2) >= MONTH_END


@pytest.mark.parametrize("minutes", [-3, 0])
def test_a_test_does_not_wait_at_another_time(minutes):
    begin = MONTH_END + timedelta(minutes=minutes)

    with time_machine.travel(begin, tick=False):
        assert time_away_from_midnight(minutes=2) == begin
