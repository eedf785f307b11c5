"""What the agent writes down: connections, ordinary HTTP and the customer's log line."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from products.edge.access_log import AccessLog
from products.edge.contract import Route
from products.edge.errors import EdgeError
from products.edge.haproxy.delivery import Delivery
from products.edge.haproxy.ledger import Ledger
from products.edge.haproxy.master_socket import MasterSocket, Processes, TableEntry
from products.edge.haproxy.past import delivered_this_hour
from products.edge.headers import RequestHead, fields_by_name
from products.edge.meter import Meter
from products.edge.recovery import CLOSED_MARK
from products.edge.spool import Spool, write_lasting
from products.edge.ulid import make_ulid

log = logging.getLogger(__name__)

# The poll by which lines that waited for an agent are here; then the tables are read whole,
# for what began and ended without one.
_LINES_HAVE_COME = 3
_BOOT_FILE = "boot.json"


class Books:
    """One boot: as long as one HAProxy master runs, whoever the agent is."""

    def __init__(
        self,
        folder: Path,
        spools: Path,
        *,
        identity: str,
        segment_bytes: int,
        route_of: Callable[[str], Route | None],
    ) -> None:
        """Open the boot of a master, or a new one. Raises OSError, SpoolUnwritable.

        Takes long for a large spool.
        """
        self.boot = _boot_of(folder, spools, identity)
        self.spool = Spool(spools / self.boot, segment_bytes=segment_bytes)
        self.meter = Meter(self.spool)
        self.ledger = Ledger(self.meter, self.spool.folder, route_of)
        self._delivery = Delivery(
            spools.parent / "delivered.json", self.meter.delivered
        )
        self._delivery.load()
        self.ledger.resume()
        for entry in delivered_this_hour(self.spool.folder, time.time_ns() // 1000):
            self.meter.resume_delivery(entry)
        self._polls = 0

    def accepted(self, line: dict[str, Any]) -> None:
        """Take an accept line: the first record of a connection."""
        self.ledger.accepted(line["id"], line["svc"], int(line["at"]))

    def ended(self, line: dict[str, Any]) -> None:
        """Take an end line: the final record, or a delivered request."""
        if line["kind"] == "ws":
            self.ledger.told_of(line["id"], line["svc"], int(line["at"]) * 1000)
            self.ledger.ended(
                line["id"],
                duration_us=max(0, int(line["td"])) * 1000,
                from_client=line["up"],
                to_client=line["down"],
            )
        elif line["kind"] == "web":
            self._delivery.ended(line["pid"], line["svc"], line["up"], line["down"])

    async def poll(self, master: MasterSocket, processes: Processes) -> None:
        """Read every worker's tables. Raises HAProxyAway, OSError."""
        asked_ns = time.monotonic_ns()
        open_entries: list[TableEntry] = []
        for worker in processes.workers:
            open_entries += await master.table(worker, "t_conn", "data.conn_cur gt 0")
            self._delivery.read(worker, await master.table(worker, "t_web"))
        self._polls += 1
        have_vanished = self.ledger.read_open(open_entries, asked_ns)
        if have_vanished or self._polls == _LINES_HAVE_COME:
            await self.catch_up(master, processes)
        self._delivery.settle(processes.workers)

    async def catch_up(self, master: MasterSocket, processes: Processes) -> None:
        """Count what began or ended without a line. Raises HAProxyAway."""
        asked_ns = time.monotonic_ns()
        entries: list[TableEntry] = []
        for worker in processes.workers:
            entries += await master.table(worker, "t_conn")
        entries = await asyncio.to_thread(self.ledger.not_known, entries)
        self.ledger.settle(entries, asked_ns)

    def close(self, *, is_over: bool) -> None:
        """Write what waits; `is_over` says that HAProxy has ended, too."""
        if is_over:
            self.ledger.end_all()
        self.meter.tick()
        is_whole = self.meter.flush()
        self.spool.close()
        if is_over and is_whole:
            write_lasting(self.spool.folder / CLOSED_MARK, b"")


def note(access_log: AccessLog, route: Route, line: dict[str, Any]) -> None:
    """Write the customer's line about a request that was accepted or refused (R10)."""
    refused = (
        (route.refusal or EdgeError.WEBSOCKETS_OFF.sentence())
        if line["ev"] == "refused"
        else ""
    )
    access_log.note(
        route,
        _head_of(line),
        client=line["client"],
        at_us=int(line["at"]),
        refused=refused,
    )


def _head_of(line: dict[str, Any]) -> RequestHead:
    host = str(line["host"])
    fields = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in line["fields"].items()
    ]
    return RequestHead(
        method=line["method"].encode("latin-1"),
        target=line["path"].encode("latin-1"),
        is_http11=True,
        fields=fields,
        host=host,
        host_field=host.encode("latin-1"),
        body_bytes=0,
        connection=frozenset(),
        upgrade=frozenset(),
        named=fields_by_name(fields),
    )


def _boot_of(folder: Path, spools: Path, identity: str) -> str:
    path = folder / _BOOT_FILE
    try:
        document = json.loads(path.read_bytes())
        boot = str(document["boot"])
        if document["master"] == identity and _goes_on(spools / boot):
            return boot
    except (OSError, ValueError, KeyError, TypeError):
        pass
    boot = make_ulid(time.time_ns() // 1_000_000)
    document = {"boot": boot, "master": identity}
    write_lasting(path, json.dumps(document).encode())
    return boot


def _goes_on(folder: Path) -> bool:
    return folder.is_dir() and not (folder / CLOSED_MARK).exists()
