"""The cost of the HAProxy engine with many services, and how soon both engines refuse (R12).

Real edges with a fake portal on loopback, without a database. `SIZES` lists the numbers of
services, `FLIPS` says how often WebSockets is switched off for each engine.
"""

import asyncio
import os
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from bench.edge.programs import require
from bench.edge.targets import PRODUCTION_SETTINGS, Target
from products.edge.contract import HeaderRule, Route
from products.edge.haproxy.process import HAProxy
from tests.products.edge.contract.speaking import opened
from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.running import Edge, handshake
from tests.products.edge.scripted import Origin, upgrade_then_echo

SIZES = [int(one) for one in os.environ.get("SIZES", "10,100,1000,5000").split(",")]
FLIPS = int(os.environ.get("FLIPS", "50"))
HOST = "flipped.test"
_MAX_WAIT_SECONDS = 600.0
_IDLE_SECONDS = 15.0
_TUNNELS = 10
_FLIPS_PER_SIZE = 4


class TestBed:
    """An edge with production settings, its portal and one origin that echoes."""

    def __init__(self, folder: Path, engine: str) -> None:
        """Start an edge with the engine."""
        self.portal = FakePortal()
        self.origin = Origin(upgrade_then_echo)
        more = ["--engine", engine]
        if engine == "haproxy":
            more += ["--haproxy", require("haproxy", "haproxy")]
        self.edge = Edge(self.portal, folder, *PRODUCTION_SETTINGS, *more)
        self.on = route(HOST, origin(self.origin.port))
        self.others: list[Route] = []

    def publish(self, *, on: bool, then: str = "keep") -> None:
        """Publish all routes, with WebSockets of the one service on or off."""
        off = replace(self.on, websockets=False, refusal="Off.", drain_mode=then)
        self.portal.publish(self.on if on else off, *self.others)

    def status(self, host: str = HOST) -> bytes:
        """Try a handshake; return the status."""
        with socket.create_connection(("127.0.0.1", self.edge.port), 20) as connection:
            connection.sendall(handshake(host))
            return connection.recv(12)[9:]

    def until(self, status: bytes, host: str = HOST) -> float:
        """Return the seconds until handshakes get a status."""
        began = time.monotonic()
        eventually(lambda: self.status(host) == status, _MAX_WAIT_SECONDS)
        return time.monotonic() - began

    def applied(self) -> dict[str, object]:
        """Wait until the edge reports that it uses the newest table; return its status."""
        wanted = self.portal.table.revision
        last = self.portal.statuses
        eventually(lambda: last and last[-1].revision == wanted, _MAX_WAIT_SECONDS)
        status: dict[str, object] = last[-1]
        return status

    def close(self) -> None:
        """Stop everything."""
        self.edge.stop()
        self.portal.close()
        self.origin.close()


@contextmanager
def test_bed(engine: str) -> Iterator[TestBed]:
    """Run an edge in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        one = TestBed(Path(folder) / "edge", engine)
        try:
            yield one
        finally:
            one.close()


def many(size: int) -> list[Route]:
    """Return routes, each with a host, an origin (every second with TLS) and a header rule."""
    return [
        route(
            f"host-{number}.test",
            origin(
                10_000 + number,
                address="localhost",
                use_tls=number % 2 == 0,
                override_host=f"origin-{number}.test",
            ),
            header_rules=(HeaderRule("set", "X-Edge", str(number)),),
        )
        for number in range(size - 1)
    ]


def processes_of(folder: Path) -> list[int]:
    """List HAProxy's processes by the folder they were started with."""
    mine = str(folder).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine in words:
            found.append(int(process.name))
    return found


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def figures_of(size: int) -> str:
    """Measure an edge with so many services; return a line of the table."""
    with test_bed("haproxy") as one:
        folder = one.edge.data / "haproxy"
        configuration = folder / "haproxy.cfg"
        program = require("haproxy", "haproxy")
        agent = Target("agent", one.edge.port, lambda: [one.edge.process.pid])
        haproxy = Target("haproxy", one.edge.port, lambda: processes_of(folder))
        one.others = many(size)
        one.publish(on=True)
        one.until(b"101")
        one.applied()
        command = [program, "-c", "-C", str(folder), "-f", configuration.name]
        check = timed(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        )
        memory = haproxy.memory_kib() / 1024
        idle = idle_share(agent)
        reloads = one.applied()["reloads"]
        took, cost = flips_of(one, agent)
        assert one.applied()["reloads"] == reloads, "a flip has reloaded"
        reload = timed(lambda: asyncio.run(reloaded(folder, program)))
        one.others.append(route("new.test", origin(one.origin.port)))
        one.publish(on=True)
        worst = worst_flip_until(one, "new.test")
        kib = configuration.stat().st_size / 1024
    return (
        f"{size:>8,} {kib:>8,.0f} {check:>8.1f} {reload:>8.1f} {median(took):>8.2f}"
        f" {max(took):>8.2f} {worst:>8.2f} {cost * 1000:>8.0f} {memory:>8.0f} {idle:>8.1f}"
    )


async def reloaded(folder: Path, program: str) -> None:
    """Reload HAProxy with its present configuration."""
    await HAProxy(folder, program).reload()


def idle_share(agent: Target) -> float:
    """Return the idle agent's CPU time, in per cent of a core."""
    time.sleep(_IDLE_SECONDS / 3)
    spent = agent.cpu_seconds()
    time.sleep(_IDLE_SECONDS)
    return (agent.cpu_seconds() - spent) / _IDLE_SECONDS * 100


def flips_of(one: TestBed, agent: Target) -> tuple[list[float], float]:
    """Switch one service off and on; return the seconds until it acts, and CPU time per flip."""
    took, cost = [], []
    for on in (False, True) * _FLIPS_PER_SIZE:
        spent = agent.cpu_seconds()
        one.publish(on=on)
        took.append(one.until(b"101" if on else b"403"))
        one.applied()
        cost.append(agent.cpu_seconds() - spent)
    return took, median(cost)


def worst_flip_until(one: TestBed, host: str) -> float:
    """Switch one service off and on until a new one is served; return the longest wait."""
    worst = 0.0
    for on in cycle((False, True)):
        one.publish(on=on)
        worst = max(worst, one.until(b"101" if on else b"403"))
        if on and one.status(host) == b"101":
            return worst
    raise AssertionError


def gone(tunnels: list[socket.socket]) -> bool:
    """Remove the closed tunnels; tell whether none is left."""
    ended, _, _ = select.select(tunnels, [], [], 0)
    for tunnel in ended:
        tunnel.close()
        tunnels.remove(tunnel)
    return not tunnels


def refused(one: TestBed, number: int) -> tuple[float, float]:
    """Disable a service with open tunnels; return when it was refused and when all were closed."""
    tunnels = [opened(one, HOST)[0] for _ in range(_TUNNELS)]
    time.sleep(number * 0.618 % 1)  # at different moments between two polls
    began = time.monotonic()
    one.publish(on=False, then="cut")
    first = one.until(b"403")
    eventually(lambda: gone(tunnels))
    ended = time.monotonic() - began
    one.publish(on=True)
    one.until(b"101")
    return first, ended


def bounds_of(engine: str) -> str:
    """Measure how soon a disabled service is refused, by many flips."""
    with test_bed(engine) as one:
        one.publish(on=True)
        one.until(b"101")
        one.applied()
        pairs = [refused(one, number) for number in range(FLIPS)]
    columns = [sorted(column) for column in zip(*pairs, strict=True)]
    shown = [
        f"{column[int((len(column) - 1) * part)]:.2f}"
        for column in columns
        for part in (0.5, 0.99)
    ]
    return (
        f"{engine}: first refusal p50 {shown[0]} s, p99 {shown[1]} s;"
        f" {_TUNNELS} tunnels gone p50 {shown[2]} s, p99 {shown[3]} s"
    )


def run() -> Iterator[str]:
    """Measure, and yield lines to print."""
    yield f"{FLIPS} flips of one service, polls every second:"
    yield from map(bounds_of, ("embedded", "haproxy"))
    yield "services  cfg KiB  check s reload s   flip s  slowest  in reload   CPU ms  PSS MiB   idle %"
    yield from map(figures_of, SIZES)
