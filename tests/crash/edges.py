"""Edges that speak with a real portal, can be killed in several ways, and whose spool can be read."""

import os
import random
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from products.edge.journal import ConnectionEntry, DeliveryEntry, read_entry
from products.edge.spool import records, segments
from tests.crash.judge import Kill
from tests.crash.portal import Portal, Row
from tests.crash.swarm import plain_request
from tests.products.edge.haproxy.fleet_stand import haproxies_in
from tests.products.edge.running import Edge
from tests.stories.stack import within

TICK_SECONDS = 1.0
SERVES_SECONDS = 60.0  # until an edge serves again; a busy machine takes its time
WAYS = ("a worker", "the control process", "all at once")


class Reachable(Protocol):
    """What an edge takes for the portal: the portal, or a proxy before it."""

    url: str


class RealEdge:
    """An edge of its own name and folder; a new process goes on where a killed one was."""

    def __init__(self, portal: Portal, folder: Path, *more: str, at: Reachable) -> None:
        """Start it with settings that suit tests, and wait until it serves the table."""
        self.folder = folder
        self.name, secret = portal.next_edge()
        credential = folder / "secret"
        credential.write_text(secret)
        self._reached = at
        self._arguments = (
            "--name", self.name, "--credential-file", str(credential),
            "--tick-seconds", str(TICK_SECONDS), *more,
        )  # fmt: skip
        self._edge = Edge(at, folder, *self._arguments)
        self.port = self._edge.port
        self.wait_until_it_serves()

    def wait_until_it_serves(self) -> None:
        """Ask for a page until it comes from the origin."""
        within(SERVES_SECONDS, "the edge serves", self._serves)

    def start(self) -> None:
        """Start a new process on the port and the folder of the one that was killed."""
        bind = ("--bind", f"127.0.0.1:{self.port}")
        self._edge = Edge(self._reached, self.folder, *self._arguments, *bind)
        self.wait_until_it_serves()

    def kill_control(self) -> float:
        """Kill the process in charge; return when. Its workers die with it."""
        at = time.monotonic()
        self._edge.kill()
        return at

    def kill_all(self) -> float:
        """Kill every process of the edge at one moment; return when."""
        processes = [*self._edge.workers(), self._edge.process.pid]
        at = time.monotonic()
        for process in processes:
            os.kill(process, signal.SIGKILL)
        self._edge.process.wait(20)
        return at

    def kill_worker(self, chance: random.Random) -> float:
        """Kill one of the processes that carry connections; return when."""
        at = time.monotonic()
        os.kill(chance.choice(self._edge.workers()), signal.SIGKILL)
        return at

    def haproxies(self) -> list[int]:
        """List the processes of its HAProxy, the master first."""
        found: list[int] = haproxies_in(self.folder / "data")
        return found

    def kill(self, way: str, chance: random.Random) -> Kill:
        """Kill it in one of the ways, see to it that it serves again, and say when that was."""
        if way == "a worker":
            at = self.kill_worker(chance)
            self.wait_until_it_serves()
        else:
            at = (
                self.kill_control() if way == "the control process" else self.kill_all()
            )
            self.start()
        return Kill(way, at, time.monotonic())

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        connection: socket.socket = self._edge.connect()
        return connection

    def stop(self) -> int:
        """End it in order; return its exit code."""
        return int(self._edge.stop())

    def log(self) -> str:
        """Return what all its processes have said so far."""
        return str(self._edge.log())

    def spooled(self) -> list[Row]:
        """Return what its spool says of each connection, the largest of all readings."""
        months: dict[tuple[str, str], ConnectionEntry] = {}
        for boot, entry in self._entries():
            if isinstance(entry, ConnectionEntry):
                key = (f"{self.name}.{boot}.{entry.number}", entry.month)
                months[key] = _larger(months.get(key, entry), entry)
        connections: dict[str, list[ConnectionEntry]] = {}
        for (connection, _), entry in months.items():
            connections.setdefault(connection, []).append(entry)
        return [_row(key, entries) for key, entries in connections.items()]

    def spooled_delivery(self) -> tuple[int, int, int]:
        """Return requests and bytes of ordinary HTTP that its spool knows of."""
        last = {
            (boot, entry.hour): (entry.requests, entry.bytes_from_client, entry.bytes_to_client)
            for boot, entry in self._entries()
            if isinstance(entry, DeliveryEntry)
        }  # fmt: skip
        return tuple(map(sum, zip(*last.values(), strict=True)))  # type: ignore[return-value]

    def _serves(self) -> bool:
        try:
            return b" 200 " in plain_request(self.port)
        except OSError:
            return False

    def _entries(self) -> Sequence[tuple[str, ConnectionEntry | DeliveryEntry]]:
        return [
            (folder.name, entry)
            for folder in sorted((self.folder / "data" / "spool").iterdir())
            if folder.is_dir()
            for _, path in segments(folder)
            for payload, _ in records(path.read_bytes())
            if (entry := read_entry(payload)) is not None
        ]


def _larger(one: ConnectionEntry, other: ConnectionEntry) -> ConnectionEntry:
    assert (one.service, one.started_us) == (other.service, other.started_us)
    return ConnectionEntry(
        one.number,
        one.service,
        one.month,
        one.started_us,
        max(one.duration_us, other.duration_us),
        max(one.bytes_from_client, other.bytes_from_client),
        max(one.bytes_to_client, other.bytes_to_client),
        one.final or other.final,
    )


def _row(key: str, months: Sequence[ConnectionEntry]) -> Row:
    return Row(
        key,
        min(entry.started_us for entry in months),
        max(entry.duration_us for entry in months),
        sum(entry.bytes_from_client for entry in months),
        sum(entry.bytes_to_client for entry in months),
        any(entry.final for entry in months),
    )
