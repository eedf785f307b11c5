"""A process whose Python code hangs is ended, with its traceback on stderr."""

import subprocess
import sys

FORKS = """
import os, re, sys, time
from portal import watchdog
watchdog.watch_forks(float(sys.argv[2]))
if (child := os.fork()) == 0:
    if sys.argv[1] == "hangs":
        re.match("(a|a)*$", "a" * 64 + "b")  # keeps the interpreter's lock for years
    time.sleep(float(sys.argv[2]) * 1.5)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def ended(how, seconds):
    return subprocess.run(
        [sys.executable, "-c", FORKS, how, str(seconds)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_forked_process_that_hangs_is_ended_with_its_traceback():
    process = ended("hangs", 1)

    assert process.returncode == 1
    assert "Timeout" in process.stderr
    assert "in match" in process.stderr


def test_a_forked_process_that_waits_is_left_alone():
    process = ended("waits", 3)

    assert (process.returncode, process.stderr) == (0, "")
