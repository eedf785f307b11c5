"""What a fleet edge costs at many services, and how soon either engine refuses (R12).

Real edges, a portal made up for tests, all on loopback; the database is not used. `SIZES` names
the numbers of services, `FLIPS` how often WebSockets are switched off for each engine.
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
from bench.edge.targets import USUAL, Target
from products.edge.contract import HeaderRule, Route
from products.edge.haproxy.master_socket import MasterSocket
from products.edge.haproxy.process import HAProxyProcess
from tests.products.edge.contract.speaking import opened
from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.running import Edge, handshake
from tests.products.edge.scripted import Origin, upgrade_then_echo

SIZES = [int(one) for one in os.environ.get("SIZES", "10,100,1000,5000").split(",")]
FLIPS = int(os.environ.get("FLIPS", "50"))
HOST = "flipped.test"
_PATIENCE_SECONDS = 600.0
_IDLE_SECONDS = 15.0
_TUNNELS = 10
_FLIPS_OF_A_SIZE = 4


class Stand:
    """An edge as in production, with its portal and one origin that really echoes."""

    def __init__(self, folder: Path, engine: str) -> None:
        """Start an edge of an engine."""
        self.portal = FakePortal()
        self.there = Origin(upgrade_then_echo)
        more = ["--engine", engine]
        if engine == "haproxy":
            more += ["--haproxy", require("haproxy", "haproxy")]
        self.edge = Edge(self.portal, folder, *USUAL, *more)
        self.on = route(HOST, origin(self.there.port))
        self.others: list[Route] = []

    def publish(self, *, on: bool, then: str = "keep") -> None:
        """Publish all routes, with WebSockets of the one service on or off."""
        off = replace(self.on, websockets=False, refusal="Off.", drain_mode=then)
        self.portal.publish(self.on if on else off, *self.others)

    def status(self, host: str = HOST) -> bytes:
        """Try a handshake; give the status."""
        with socket.create_connection(("127.0.0.1", self.edge.port), 20) as connection:
            connection.sendall(handshake(host))
            return connection.recv(12)[9:]

    def until(self, status: bytes, host: str = HOST) -> float:
        """Give the seconds until handshakes get a status."""
        began = time.monotonic()
        eventually(lambda: self.status(host) == status, _PATIENCE_SECONDS)
        return time.monotonic() - began

    def settled(self) -> dict[str, object]:
        """Wait until the edge says that it goes by the newest table."""
        wanted = self.portal.table.revision
        last = self.portal.statuses
        eventually(lambda: last and last[-1].revision == wanted, _PATIENCE_SECONDS)
        said: dict[str, object] = last[-1]
        return said

    def close(self) -> None:
        """End everything."""
        self.edge.stop()
        self.portal.close()
        self.there.close()


@contextmanager
def stand(engine: str) -> Iterator[Stand]:
    """Run an edge in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        one = Stand(Path(folder) / "edge", engine)
        try:
            yield one
        finally:
            one.close()


def many(size: int) -> list[Route]:
    """Describe services, each with a host, an origin (every other by TLS), a rule."""
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
    """Measure a fleet edge with so many services; return a line of the table."""
    with stand("haproxy") as one:
        folder = one.edge.data / "haproxy"
        configuration = folder / "haproxy.cfg"
        program = require("haproxy", "haproxy")
        agent = Target("agent", one.edge.port, lambda: [one.edge.process.pid])
        haproxy = Target("haproxy", one.edge.port, lambda: processes_of(folder))
        one.others = many(size)
        one.publish(on=True)
        one.until(b"101")
        one.settled()
        command = [program, "-c", "-C", str(folder), "-f", configuration.name]
        check = timed(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        )
        memory = haproxy.memory_kib() / 1024
        idle = idle_share(agent)
        reloads = one.settled()["reloads"]
        took, cost = flips_of(one, agent)
        assert one.settled()["reloads"] == reloads, "a flip has reloaded"
        reload = timed(lambda: asyncio.run(reloaded(folder, program)))
        one.others.append(route("new.test", origin(one.there.port)))
        one.publish(on=True)
        worst = worst_flip_until(one, "new.test")
        kib = configuration.stat().st_size / 1024
    return (
        f"{size:>8,} {kib:>8,.0f} {check:>8.1f} {reload:>8.1f} {median(took):>8.2f}"
        f" {max(took):>8.2f} {worst:>8.2f} {cost * 1000:>8.0f} {memory:>8.0f} {idle:>8.1f}"
    )


async def reloaded(folder: Path, program: str) -> None:
    """Reload HAProxy as it is."""
    await HAProxyProcess(folder, program, MasterSocket(folder)).reload()


def idle_share(agent: Target) -> float:
    """Return the agent's CPU while nothing happens, in per cent of a core."""
    time.sleep(_IDLE_SECONDS / 3)
    spent = agent.cpu_seconds()
    time.sleep(_IDLE_SECONDS)
    return (agent.cpu_seconds() - spent) / _IDLE_SECONDS * 100


def flips_of(one: Stand, agent: Target) -> tuple[list[float], float]:
    """Switch one service off and on; return seconds until heard, and CPU of a flip."""
    took, cost = [], []
    for on in (False, True) * _FLIPS_OF_A_SIZE:
        spent = agent.cpu_seconds()
        one.publish(on=on)
        took.append(one.until(b"101" if on else b"403"))
        one.settled()
        cost.append(agent.cpu_seconds() - spent)
    return took, median(cost)


def worst_flip_until(one: Stand, host: str) -> float:
    """Switch one service off and on until a new one is served; return the longest wait."""
    worst = 0.0
    for on in cycle((False, True)):
        one.publish(on=on)
        worst = max(worst, one.until(b"101" if on else b"403"))
        if on and one.status(host) == b"101":
            return worst
    raise AssertionError


def gone(tunnels: list[socket.socket]) -> bool:
    """Forget the tunnels that have ended; say whether all have."""
    ended, _, _ = select.select(tunnels, [], [], 0)
    for tunnel in ended:
        tunnel.close()
        tunnels.remove(tunnel)
    return not tunnels


def refused(one: Stand, number: int) -> tuple[float, float]:
    """Cut a service with open tunnels; return when a handshake failed, and all had ended."""
    tunnels = [opened(one, HOST)[0] for _ in range(_TUNNELS)]
    time.sleep(number * 0.618 % 1)  # at any moment between two polls
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
    with stand(engine) as one:
        one.publish(on=True)
        one.until(b"101")
        one.settled()
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
    """Measure, and give the lines to print."""
    yield f"{FLIPS} flips of one service, polls every second:"
    yield from map(bounds_of, ("embedded", "haproxy"))
    yield "services  cfg KiB  check s reload s   flip s  slowest  in reload   CPU ms  PSS MiB   idle %"
    yield from map(figures_of, SIZES)
