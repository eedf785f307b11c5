"""A process that loads Django once, which takes seconds, and forks the processes that race.

`python -m tests.races.server SOCKET`, with the database in the environment. Each connection to the
socket gets a process of its own, and is its standard input and output. The first line names a
module of this folder and the arguments of its `main`.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NoReturn

import django
from django.db import connections

MODULES = ("toggler", "caller", "manage", "result")


def main(path: str) -> None:
    """Serve until the process is ended."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    mains = {name: import_module(f"tests.races.{name}").main for name in MODULES}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing waits for the children
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - the test that started this reads it
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _run(mains, connection)
            connection.close()


def _run(
    mains: Mapping[str, Callable[..., None]], connection: socket.socket
) -> NoReturn:
    """Carry out what the connection asks for, and end the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.stdin, sys.stdout = connection.makefile(), connection.makefile("w")
    code = 0
    try:
        name, *words = sys.stdin.readline().split()
        mains[name](*words)
        sys.stdout.flush()
    except Exception:  # noqa: BLE001 - the test shows it
        traceback.print_exc()
        code = 1
    connections.close_all()
    sys.stderr.flush()
    os._exit(
        code
    )  # to free all that the server has loaded takes half a second of CPU time


if __name__ == "__main__":
    main(sys.argv[1])
