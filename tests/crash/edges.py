"""Edges of a real portal that can be killed in several ways, and whose usage store can be read."""

import os
import random
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from products.edge.usage.readings import (
    ConnectionReading,
    DeliveryReading,
    Reading,
    read_values,
)
from products.edge.usage.store import StoredUsage
from tests.crash.outcome import Kill
from tests.crash.portal import Portal, Row
from tests.crash.swarm import plain_request
from tests.products.edge.running import Edge, haproxies_in
from tests.stories.stack import within

TICK_SECONDS = 1.0
SERVES_SECONDS = 60.0  # until an edge serves again, on a busy machine
WAYS = ("a worker", "the control process", "all processes")


class Reachable(Protocol):
    """What an edge reaches as the portal: the portal, or a proxy in front of it."""

    url: str


class RealEdge:
    """An edge with its own name and folder; a new process replaces a killed one."""

    def __init__(self, portal: Portal, folder: Path, *more: str, at: Reachable) -> None:
        """Start it with settings for tests, and wait until it serves the route table."""
        self.folder = folder
        self.name, secret = portal.next_edge()
        credential = folder / "secret"
        credential.write_text(secret)
        self._reached = at
        self._arguments = (
            "--name", self.name, "--credential-file", str(credential),
            "--tick-seconds", str(TICK_SECONDS), "--poll-seconds", "0.05", *more,
        )  # fmt: skip
        self._edge = Edge(at, folder, *self._arguments)
        self.port = self._edge.port
        self.wait_until_it_serves()

    @property
    def process_id(self) -> int:
        """Return the id of its control process."""
        return int(self._edge.process.pid)

    def wait_until_it_serves(self) -> None:
        """Ask for a page until it comes from the origin."""
        within(SERVES_SECONDS, "the edge serves", self._serves)

    def start(self) -> None:
        """Start a new process on the port and in the folder of the killed one."""
        bind = ("--bind", f"127.0.0.1:{self.port}")
        self._edge = Edge(self._reached, self.folder, *self._arguments, *bind)
        self.wait_until_it_serves()

    def kill_control(self) -> float:
        """Kill the control process; return when. Its workers exit too."""
        at = time.monotonic()
        self._edge.kill()
        return at

    def kill_all(self) -> float:
        """Kill all processes of the edge at the same moment; return when."""
        processes = [*self._edge.workers(), self._edge.process.pid]
        at = time.monotonic()
        for process in processes:
            os.kill(process, signal.SIGKILL)
        self._edge.process.wait(20)
        return at

    def kill_worker(self, chance: random.Random) -> float:
        """Kill one worker; return when."""
        at = time.monotonic()
        os.kill(chance.choice(self._edge.workers()), signal.SIGKILL)
        return at

    def haproxies(self) -> list[int]:
        """List the processes of its HAProxy, the master first."""
        found: list[int] = haproxies_in(self.folder / "data")
        return found

    def kill(self, way: str, chance: random.Random) -> Kill:
        """Kill it in one of the ways and wait until it serves again; return both times."""
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
        """Stop it with SIGTERM; return its exit code."""
        return int(self._edge.stop())

    def log(self) -> str:
        """Return the log of all its processes so far."""
        return str(self._edge.log())

    def stored(self) -> list[Row]:
        """Return what its usage store has of each connection."""
        connections: dict[str, list[ConnectionReading]] = {}
        for instance, reading in self._readings():
            if isinstance(reading, ConnectionReading):
                key = f"{self.name}.{instance}.{reading.number}"
                connections.setdefault(key, []).append(reading)
        return [_row(key, readings) for key, readings in connections.items()]

    def stored_delivery(self) -> tuple[int, int, int]:
        """Return requests and bytes of ordinary requests that its usage store has."""
        counts = [
            (one.requests, one.bytes_from_client, one.bytes_to_client)
            for _, one in self._readings()
            if isinstance(one, DeliveryReading)
        ]
        return tuple(map(sum, zip(*counts, strict=True)))  # type: ignore[return-value]

    def _serves(self) -> bool:
        try:
            return b" 200 " in plain_request(self.port)
        except OSError:
            return False

    def _readings(self) -> Sequence[tuple[str, Reading]]:
        found: list[tuple[str, Reading]] = []
        for folder in sorted((self.folder / "data" / "usage").glob("[!.]*")):
            with StoredUsage(folder) as stored:
                rows = stored.unsent(0, 1_000_000)
            found += [
                (folder.name, reading)
                for row in rows
                if (reading := read_values(row[1:])) is not None
            ]
        return found


def _row(key: str, months: Sequence[ConnectionReading]) -> Row:
    return Row(
        key,
        min(one.started_us for one in months),
        max(one.duration_us for one in months),
        sum(one.bytes_from_client for one in months),
        sum(one.bytes_to_client for one in months),
        any(one.final for one in months),
    )
