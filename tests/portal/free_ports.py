"""Ports for servers that a test starts."""

import os
import random
import socket

# Below the ports that the system gives to outgoing connections and to port 0 (Linux: 32768 to
# 60999), which could take a free one before its server does. Each worker has its own.
_FIRST = 10_000
_OF_A_WORKER = 2_500
_WORKERS = 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_begin = _FIRST + _worker % _WORKERS * _OF_A_WORKER
_ports = list(range(_begin, _begin + _OF_A_WORKER))
random.SystemRandom().shuffle(
    _ports
)  # other processes of the worker choose from the same


def free_port() -> int:
    """Return a TCP port that is free on loopback, another one each time."""
    while True:
        port = _ports.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
