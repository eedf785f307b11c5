"""Ends a process whose Python code hangs, so that it is started again.

A thread proves once a second that Python code runs. If it has not for `HANG_SECONDS` of the
settings, a thread of the interpreter, which needs no lock, writes the traceback of every thread to
stderr and ends the process. A process in a regular expression or another long call of C code is
alive for the system, but serves no one.
"""

import faulthandler
import os
import threading
import time
from typing import Final

PROOF_SECONDS: Final = 1.0


def watch_forks(hang_seconds: float) -> None:
    """Watch each process that this one forks from now on, such as the workers of a web server."""
    os.register_at_fork(after_in_child=lambda: _watch(hang_seconds))


def _watch(hang_seconds: float) -> None:
    threading.Thread(
        target=_prove, args=[hang_seconds], name="watchdog", daemon=True
    ).start()


def _prove(hang_seconds: float) -> None:
    while True:
        faulthandler.dump_traceback_later(hang_seconds, exit=True)
        time.sleep(min(PROOF_SECONDS, hang_seconds / 4))
