"""A connection tracker with its store, and what HAProxy would send it."""

import time
import uuid

from products.edge.haproxy.config import EXPIRE_MS
from products.edge.haproxy.connections import ConnectionTracker
from products.edge.haproxy.process import TableEntry
from products.edge.usage.meter import UsageMeter
from products.edge.usage.readings import read_values
from products.edge.usage.store import StoredUsage, resume_store
from tests.products.edge.fake_portal import route


class Metering:
    """A connection tracker with its store; it continues with the readings in the folder."""

    def __init__(self, folder):
        self.folder = folder
        self.store = resume_store(folder, max_bytes=1 << 30)
        self.meter = UsageMeter(self.store)
        self.tracker = ConnectionTracker(
            self.meter, self.store, {"a-test": route("a.test")}.get
        )
        with StoredUsage(folder) as stored:
            self.tracker.resume(stored.open_connections())

    def close(self):
        self.store.close()

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
    metering.tracker.accepted(connection, "a-test", started_us)
    return connection, started_us


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
