"""Processes that tests start do not outlive them."""

import signal
import subprocess
import sys

import pytest

from tests.portal.waiting import stop

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
