"""A metering session, and what HAProxy would send it."""

import asyncio
import time
import uuid

from products.edge.haproxy.config import EXPIRE_MS
from products.edge.haproxy.connections import MeteringSession
from products.edge.haproxy.process import TableEntry
from products.edge.usage.readings import read_values
from products.edge.usage.store import StoredUsage
from tests.products.edge.fake_portal import route


class Metering:
    """An agent's metering session; another one in its folder goes on with the same HAProxy."""

    def __init__(self, folder, *, table_route=None):
        self._folder = folder
        self.session = MeteringSession(
            "1@1",
            folder,
            folder / "usage",
            max_bytes=1 << 30,
            route_of={"a-test": table_route or route("a.test")}.get,
        )
        self.store = self.session.store
        self.meter = self.session.meter
        self.folder = self.store.folder

    def close(self):
        self.store.close()

    def another(self, **how):
        """Close it, and start another agent's."""
        self.close()
        return Metering(self._folder, **how)

    def read_open(self, *entries):
        """Read a table of what is open; return whether some have gone."""
        return self.session.read_open(entries, time.monotonic_ns())

    def read_whole(self, *entries, asked_ns=None):
        """Read a whole table, for what has no lines."""
        asked_ns = asked_ns or time.monotonic_ns()
        asyncio.run(self.session.end_without_lines(entries, asked_ns))

    def prune(self):
        """Remove all that can be removed, as if it had been acknowledged long ago."""
        with StoredUsage(self.folder) as stored:
            stored.prune(1_000, 1e12)

    def all_readings(self):
        with StoredUsage(self.folder) as stored:
            return [read_values(row[1:]) for row in stored.unsent(0, 100_000)]

    def readings(self):
        """Return the newest reading of each connection."""
        return {reading.number: reading for reading in self.all_readings()}


def accept(metering, seconds_ago=10.0):
    """Have an accept line arrive; return the connection and its start."""
    connection = str(uuid.uuid4())
    started_us = int((time.time() - seconds_ago) * 1_000_000)
    announce(metering, connection, started_us)
    return connection, started_us


def announce(metering, connection, started_us):
    """Have the accept line of a connection arrive."""
    line = {"ev": "accept", "id": connection, "svc": "a-test", "at": started_us}
    metering.session.take(line)


def end(metering, connection, started_us, *, milliseconds=1, up=1, down=1):
    """Have the end line of a connection arrive."""
    line = {"ev": "end", "kind": "ws", "id": connection, "svc": "a-test"}
    counts = {"td": milliseconds, "up": up, "down": down}
    metering.session.take(line | counts | {"at": started_us // 1000})


def in_table(connection, started_us, *, up=0, down=0, is_used=True, quiet_ms=0):
    """Return the table entry of a connection that was last used so long ago."""
    return TableEntry(
        f"a-test|{connection}|{started_us // 1000}",
        is_used,
        EXPIRE_MS - quiet_ms,
        requests=0,
        bytes_from_client=up,
        bytes_to_client=down,
    )
