"""Books beside HAProxy's tables: what no line told of is counted all the same."""

import asyncio
import time
import uuid

from products.edge.haproxy.books import Books
from products.edge.haproxy.master_socket import Processes
from tests.products.edge.haproxy.ledger_desk import in_table

ONE_WORKER = Processes(master=1, current=(2,), old=())


class Master:
    """HAProxy's command line, with one table of connections."""

    def __init__(self, entries):
        self.entries = entries

    async def table(self, worker, name, only=""):
        wanted = self.entries if name == "t_conn" else []
        return [one for one in wanted if one.is_used or not only]


def test_what_began_and_ended_with_no_agent_there_is_counted_without_any_line(tmp_path):
    started_us = int((time.time() - 60) * 1_000_000)
    entry = in_table(
        str(uuid.uuid4()), started_us, up=700, down=900, is_used=False, quiet_ms=30_000
    )
    books = Books(
        tmp_path,
        tmp_path / "spool",
        identity="1@1",
        segment_bytes=1 << 20,
        route_of={}.get,
    )

    async def polls():
        for _ in range(3):
            await books.poll(Master([entry]), ONE_WORKER)

    asyncio.run(polls())

    assert not books.meter.open
    assert books.ledger.unheard == 1
