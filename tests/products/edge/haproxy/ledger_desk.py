"""A ledger with a spool of its own, and what HAProxy would tell it."""

import time
import uuid

from products.edge.haproxy.frontend import EXPIRE_MS
from products.edge.haproxy.ledger import Ledger
from products.edge.haproxy.master_socket import TableEntry
from products.edge.journal import read_entry
from products.edge.meter import Meter
from products.edge.spool import Spool, records, segments
from tests.products.edge.fake_portal import route


class Desk:
    """A ledger with a spool of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.spool = Spool(folder, segment_bytes=1_000_000)
        self.meter = Meter(self.spool)
        self.ledger = Ledger(self.meter, folder, {"a-test": route("a.test")}.get)

    def entries(self):
        found = [
            read_entry(payload)
            for _, path in segments(self.folder)
            for payload, _ in records(path.read_bytes())
        ]
        return {entry.number: entry for entry in found}


def line_of(desk, seconds_ago=10.0):
    connection = str(uuid.uuid4())
    started_us = int((time.time() - seconds_ago) * 1_000_000)
    desk.ledger.accepted(connection, "a-test", started_us)
    return connection, started_us


def in_table(connection, started_us, *, up=0, down=0, is_used=True, quiet_ms=0):
    return TableEntry(
        f"a-test|{connection}|{started_us // 1000}",
        is_used,
        EXPIRE_MS - quiet_ms,
        {"bytes_in_cnt": up, "bytes_out_cnt": down, "conn_cur": int(is_used)},
    )
