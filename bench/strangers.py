"""How long others wait while strangers attack the portal, through the shipped HAProxy.

Each attack runs from one address for `SECONDS` (10 by default) or longer, and others' requests
meanwhile from another: pages, an edge's polls, and superusers who switch a product off. The goals
are a p95 of at most 200 ms, and at most 5 s from the commit to the edge's table without the
product. Then the worst JSON of each allowed size, which must cost at most 50 ms of CPU. Needs
HAProxy; `DATABASE_URL` chooses the database as for tests.
"""

import contextlib
import json
import logging
import multiprocessing
import multiprocessing.synchronize
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

from django.test import Client

from accounts.roles import Role
from products.edge.contract import RouteTable
from tests.deploy.production import Production, production
from tests.factories.accounts import AccountFactory, actor_for, member
from tests.factories.keys import client_of

SECONDS = float(os.environ.get("SECONDS", "10"))
GOAL_MS = 200.0
GOAL_SECONDS = 5.0
GOAL_CPU_MS = 50.0
DISABLES = 3  # per attack
POLL_SECONDS = 1.0  # as edges do
Event = multiprocessing.synchronize.Event
Attack = Callable[[Production, Event, str], None]  # the last is the address


def run() -> Iterator[str]:
    """Yield the times of pages, polls and disabling for each attack, then the CPU of JSON."""
    with (
        tempfile.TemporaryDirectory() as folder,
        production(Path(folder), DOMAIN_VERIFICATION="off") as portal,
    ):
        made = prepared(portal)
        yield (
            f"{'attack':34} {'page p50':>9} {'p95':>7} {'max':>7}   {'poll p95':>8} ms"
            f"   {'disable max':>11} s"
        )
        for number, (name, attack) in enumerate(ATTACKS.items()):
            # An address of its own, because the proxy remembers what one has done.
            with attacking(portal, attack, f"127.0.1.{number}"):
                pages = measured(portal, "/accounts/login/", "HTTPS")
                polls = measured(portal, "/api/edge/v1/routes", "EDGES")
                disabled = max(
                    seconds_to_disable(portal, made) for _ in range(DISABLES)
                )
            p50, p95, slowest = percentile(pages, 50), percentile(pages, 95), max(pages)
            missed = p95 > GOAL_MS or disabled > GOAL_SECONDS
            yield (
                f"{name:34} {p50:9.1f} {p95:7.1f} {slowest:7.1f}   "
                f"{percentile(polls, 95):8.1f}      {disabled:11.2f}"
                f"{'  above the goal' if missed else ''}"
            )
    yield from worst_json()


def prepared(portal: Production) -> dict[str, str]:
    """Switch WebSockets on for a service, and activate it; return the portal's secrets."""
    command = [sys.executable, "-m", "bench.entitled"]
    subprocess.run(command, env=portal.environment, check=True)
    made = dict(portal.made)
    switch(portal, made, "PUT")
    path = f"/api/service/{made['service']}/version/1/activate"
    response, answer = portal.ask("PUT", path, Fastly_Key=made["token"])
    assert response.status == 200, answer
    return made


def switch(portal: Production, made: dict[str, str], method: str) -> None:
    """Switch WebSockets on (PUT) or off (DELETE) for the service."""
    path = f"/api/enabled-products/v1/websockets/services/{made['service']}"
    response, answer = portal.ask(method, path, Fastly_Key=made["token"])
    assert response.status in {200, 204}, answer


def seconds_to_disable(portal: Production, made: dict[str, str]) -> float:
    """Return the seconds from the answer to switching off until an edge's table has it."""
    switch(portal, made, "DELETE")
    began = time.monotonic()
    while carries_websockets(portal, made):
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - began
    switch(portal, made, "PUT")
    return seconds


def carries_websockets(portal: Production, made: dict[str, str]) -> bool:
    """Poll as an edge does, and return whether the service's routes have WebSockets."""
    with contextlib.suppress(OSError):
        response, body = portal.ask(
            "GET",
            "/api/edge/v1/routes",
            port="EDGES",
            Authorization=f"Bearer {made['credential']}",
        )
        if response.status == HTTPStatus.OK:
            return any(route.websockets for route in RouteTable.from_bytes(body).routes)
    return True


def worst_json() -> Iterator[str]:
    """Yield the most CPU that a body of each allowed size takes, over several shapes."""
    logging.disable(logging.ERROR)  # each of the bodies is refused
    account = AccountFactory.create()
    sam = actor_for(member(account, "Sam", Role.SUPERUSER), account)
    clients = {
        "64 KiB, a stranger": (Client(), "/api/sudo", 64 * 1024),
        "1 MiB, with a token": (client_of(sam), "/api/service", 1024 * 1024),
    }
    for name, (client, path, size) in clients.items():
        costs = {
            shape: cpu_ms(client, path, make(size)) for shape, make in SHAPES.items()
        }
        worst = max(costs, key=lambda shape: costs[shape])
        mark = "" if costs[worst] <= GOAL_CPU_MS else "  above the goal"
        yield f"JSON of {name:26} {costs[worst]:6.1f} ms of CPU ({worst}){mark}"


def cpu_ms(client: Client, path: str, body: bytes) -> float:
    """Return the CPU time of a request in milliseconds, the least of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        client.post(path, body, content_type="application/json")
        times.append((time.process_time() - began) * 1000)
    return min(times)


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
def attacking(portal: Production, attack: Attack, source: str) -> Iterator[None]:
    """Run an attack from an address meanwhile, in a process of its own."""
    forking = multiprocessing.get_context("fork")
    ended = forking.Event()
    process = forking.Process(target=attack, args=(portal, ended, source))
    process.start()
    time.sleep(1)
    try:
        yield
    finally:
        ended.set()
        process.join()


def holding(count: int, first: str, size: int = 0) -> Attack:
    """Return an attack: keep so many connections open, each with a start of a request or nothing."""

    def attack(portal: Production, ended: Event, source: str) -> None:
        start = first.format(host=portal.host).encode() + b"x" * size
        opened: list[socket.socket] = []
        while not ended.is_set():
            opened = [each for each in opened if is_open(each)]
            for _ in range(min(count - len(opened), 50)):
                with contextlib.suppress(OSError):
                    opened.append(connected(portal, start, source))
            ended.wait(0.2)
        for each in opened:
            each.close()

    return attack


def connected(portal: Production, start: bytes, source: str) -> socket.socket:
    """Open a connection and send its start; without one, not even a TLS handshake."""
    if not start:
        address = ("127.0.0.1", portal.ports["HTTPS"])
        return socket.create_connection(address, 5, source_address=(source, 0))
    connection = portal.tls(source=source)
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

    def attack(portal: Production, ended: Event, source: str) -> None:
        def ask() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    portal.ask(method, path, body=body, source=source, **headers)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return attack


def repeated(start: str, piece: str, end: str) -> Callable[[int], bytes]:
    """Return a shape of a body: a piece, as often as the size allows."""

    def body(size: int) -> bytes:
        count = (size - len(start) - len(end)) // len(piece)
        return (start + (piece * count).removesuffix(",") + end).encode()

    return body


# Below and above the limit of values, long texts, escapes, numbers, depth and names.
SHAPES: dict[str, Callable[[int], bytes]] = {
    "empty texts": repeated('{"a":[', '"",', "]}"),
    "texts of 20": repeated('{"a":[', '"aaaaaaaaaaaaaaaaaa",', "]}"),
    "one text": repeated('{"a":"', "a", '"}'),
    "escapes": repeated('{"a":"', "\\u00e9", '"}'),
    "long numbers": repeated('{"a":[', "9" * 4000 + ",", "]}"),
    "fractions": repeated('{"a":[', "1.7976931348623157e308,", "]}"),
    "brackets": repeated('{"a":', "[", "}"),
    "small lists": repeated('{"a":[', "[[[[[[[[]]]]]]]],", "]}"),
    "small objects": repeated('{"a":[', '{"aaaaaaaaaa":"aaaaaaa"},', "]}"),
    "spaces": repeated("", " ", "{}"),
}
HEAD = "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nContent-Length: {size}\r\n{more}\r\n"
WORST = json.dumps({"username": [[[""] * 16_000]]}).encode()
ATTACKS: dict[str, Attack] = {
    "none": lambda portal, ended, source: None,
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
