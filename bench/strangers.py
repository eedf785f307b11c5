"""How long a page and an edge's poll take while strangers attack, through the shipped HAProxy.

Each attack runs from one address for `SECONDS` (10 by default), and others' requests meanwhile
from another. The goal is a p95 of at most 200 ms. Needs HAProxy; `DATABASE_URL` chooses the
database as for tests.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.synchronize
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.deploy.production import Production, production

SECONDS = float(os.environ.get("SECONDS", "10"))
ATTACKER = "127.0.0.3"
GOAL_MS = 200.0
Event = multiprocessing.synchronize.Event
Attack = Callable[[Production, Event], None]


def run() -> Iterator[str]:
    """Yield p50, p95 and the slowest response of pages and polls, for each attack."""
    with tempfile.TemporaryDirectory() as folder, production(Path(folder)) as portal:
        yield f"{'attack':34} {'page p50':>9} {'p95':>7} {'max':>7}   {'poll p95':>8} ms"
        for name, attack in ATTACKS.items():
            with attacking(portal, attack):
                pages = measured(portal, "/accounts/login/", "HTTPS")
                polls = measured(portal, "/api/edge/v1/routes", "EDGES")
            p50, p95, slowest = percentile(pages, 50), percentile(pages, 95), max(pages)
            mark = "" if p95 <= GOAL_MS else "  above the goal"
            yield (
                f"{name:34} {p50:9.1f} {p95:7.1f} {slowest:7.1f}   "
                f"{percentile(polls, 95):8.1f}{mark}"
            )


def measured(portal: Production, path: str, port: str) -> list[float]:
    """Return the milliseconds of requests, one after the other, for half the time."""
    times = []
    ends = time.monotonic() + SECONDS / 2
    while time.monotonic() < ends:
        began = time.monotonic()
        portal.ask("GET", path, port=port)
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.05)  # below the limit of requests per address
    return times


def percentile(times: list[float], share: int) -> float:
    """Return a percentile."""
    return sorted(times)[min(len(times) * share // 100, len(times) - 1)]


@contextlib.contextmanager
def attacking(portal: Production, attack: Attack) -> Iterator[None]:
    """Run an attack meanwhile, in a process of its own, so that only the machine is shared."""
    forking = multiprocessing.get_context("fork")
    ended = forking.Event()
    process = forking.Process(target=attack, args=(portal, ended))
    process.start()
    time.sleep(1)
    try:
        yield
    finally:
        ended.set()
        process.join()


def holding(count: int, first: str, size: int = 0) -> Attack:
    """Return an attack: keep so many connections open, each with a start of a request or nothing."""

    def attack(portal: Production, ended: Event) -> None:
        start = first.format(host=portal.host).encode() + b"x" * size
        opened: list[socket.socket] = []
        while not ended.is_set():
            opened = [each for each in opened if is_open(each)]
            for _ in range(min(count - len(opened), 50)):
                with contextlib.suppress(OSError):
                    opened.append(connected(portal, start))
            ended.wait(0.2)
        for each in opened:
            each.close()

    return attack


def connected(portal: Production, start: bytes) -> socket.socket:
    """Open a connection and send its start; without one, not even a TLS handshake."""
    if not start:
        address = ("127.0.0.1", portal.ports["HTTPS"])
        return socket.create_connection(address, 5, source_address=(ATTACKER, 0))
    connection = portal.tls(source=ATTACKER)
    connection.sendall(start)
    return connection


def is_open(connection: socket.socket) -> bool:
    """Return whether the proxy has not closed a connection."""
    connection.setblocking(False)
    try:
        is_open = bool(connection.recv(1))
    except (TimeoutError, BlockingIOError):
        is_open = True
    except OSError:
        is_open = False
    if not is_open:
        connection.close()
    return is_open


def flooding(
    method: str, path: str, body: bytes | None = None, **headers: str
) -> Attack:
    """Return an attack: four clients that ask as fast as they can."""

    def attack(portal: Production, ended: Event) -> None:
        def ask() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    portal.ask(method, path, body=body, source=ATTACKER, **headers)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return attack


HEAD = "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nContent-Length: {size}\r\n{more}\r\n"
WORST = json.dumps({"username": [[[""] * 16_000]]}).encode()
ATTACKS: dict[str, Attack] = {
    "none": lambda portal, ended: None,
    "1,000 silent connections": holding(1000, ""),
    "1,000 half heads": holding(1000, "GET / HTTP/1.1\r\nHost: "),
    "100 slow bodies": holding(
        100, HEAD.format(path="/api/sudo", size=60_000, more="")
    ),
    "100 slow large bodies": holding(
        100,
        HEAD.format(path="/api/service", size=1_000_000, more="Fastly-Key: x\r\n"),
        size=100_000,
    ),
    "64 KiB of JSON at /api/sudo": flooding("POST", "/api/sudo", WORST),
    "1 MiB of JSON with a wrong token": flooding(
        "POST", "/api/service", b" " * (1024 * 1024), Fastly_Key="x"
    ),
    "404s": flooding("GET", "/nothing/here"),
    "sign-in pages": flooding("GET", "/accounts/login/"),
}
