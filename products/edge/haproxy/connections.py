"""HAProxy's connections and requests, counted into the usage store like those of a tunnel.

A connection's number is taken from HAProxy's own id for it. So an agent that was away,
or was started again, continues to count the same connection. A metering session lasts as
long as one HAProxy master, which may be longer than one agent.
"""

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import sub
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from products.edge.access_log import AccessLog, LoggedRequest
from products.edge.contract import Route
from products.edge.errors import EdgeError
from products.edge.files import atomic_write
from products.edge.haproxy.config import ACCOUNT_FULL, EXPIRE_MS, SERVICE_FULL
from products.edge.haproxy.maps import is_service
from products.edge.haproxy.process import HAProxy, Processes, TableEntry
from products.edge.settings import make_instance_id
from products.edge.usage.meter import OpenConnection, UsageMeter
from products.edge.usage.store import StoredConnection, StoreUnwritable, UsageStore
from products.instants import iso_instant

# What the client reads when an upgrade was rejected, by the line's event.
LIMIT_ERRORS = {
    SERVICE_FULL: EdgeError.SERVICE_LIMIT, ACCOUNT_FULL: EdgeError.ACCOUNT_LIMIT,
}  # fmt: skip
_Counts: TypeAlias = tuple[int, int, int]  # requests, bytes from the clients, to them


class _Totals(msgspec.Struct, frozen=True):
    """The requests of one worker for one service since the worker started."""

    lines: _Counts = (0, 0, 0)
    table: _Counts = (0, 0, 0)

    @property
    def counted(self) -> _Counts:
        """The larger of both."""
        return _larger(self.lines, self.table)


class RequestTotals:
    """The ordinary requests that each worker has forwarded for each service since it started.

    They are in HAProxy's tables and in its lines. Both give less than the truth and never
    more: the table misses what came after the last look at it, the lines miss what ended
    while no agent received them. The larger one counts.
    """

    def __init__(
        self, meter: UsageMeter, notes: Mapping[str, str], *, is_replacement: bool
    ) -> None:
        """Continue from the notes that an earlier agent kept with its readings.

        `is_replacement` says that those were lost: the first totals are then where
        counting starts, because they were counted before.
        """
        self._meter = meter
        self._known: dict[str, _Totals] = {}  # by worker and service
        for key, text in notes.items():
            with contextlib.suppress(msgspec.MsgspecError):
                self._known[key] = msgspec.json.decode(text, type=_Totals)
        self._must_skip = is_replacement and not notes

    def ended(self, worker: int, service: str, sent: int, received: int) -> None:
        """Count a request that has a line."""
        known = self._of(worker, service)
        requests, before_sent, before_received = known.lines
        lines = requests + 1, before_sent + sent, before_received + received
        self._count(worker, service, _Totals(lines, known.table))

    def read(self, worker: int, entries: Iterable[TableEntry]) -> None:
        """Read a worker's table."""
        for entry in entries:
            known = self._of(worker, entry.key)
            now = (entry.requests, entry.bytes_from_client, entry.bytes_to_client)
            # An entry that had expired has less; then the lines go on.
            table = _larger(known.table, now)
            if is_service(entry.key) and table != known.table:
                self._count(worker, entry.key, _Totals(known.lines, table))

    def have_read(self, workers: Iterable[int]) -> None:
        """Forget workers that have exited; the tables of those that run were read."""
        self._must_skip = False
        running = set(map(str, workers))
        for key in [one for one in self._known if one.partition(" ")[0] not in running]:
            del self._known[key]
            self._meter.keep_notes({key: ""})

    def _of(self, worker: int, service: str) -> _Totals:
        return self._known.get(f"{worker} {service}", _Totals())

    def _count(self, worker: int, service: str, now: _Totals) -> None:
        counted = self._of(worker, service).counted
        requests, sent, received = map(sub, now.counted, counted)
        if now.counted != counted and not self._must_skip:
            self._meter.delivered(service, requests, sent, received)
        key = f"{worker} {service}"
        self._known[key] = now
        self._meter.keep_notes({key: msgspec.json.encode(now).decode()})


def _larger(some: _Counts, others: _Counts) -> _Counts:
    requests, sent, received = map(max, some, others)
    return requests, sent, received


_NUMBER_DIGITS = 24  # of an id's 32, so that the whole fits the portal's column
_INSTANCE_FILE = "instance"

# An entry of t_conn is named by it.
_KEY = re.compile(
    r"(?P<service>[^|]*)\|(?P<connection>[0-9A-Fa-f-]+)\|(?P<started_ms>[0-9]+)"
)
# The tables and the end line may differ by this about when a connection ended; a reading
# that went further would exceed the final one.
_CLOCK_TOLERANCE_NS = 1_000_000_000
# By this poll, lines that waited for an agent have arrived. Then the tables are read
# whole, for what started and ended without one.
_LINES_HAVE_ARRIVED = 3
_ENTRIES_PER_TURN = 1_000  # of a table, before the loop may do something else
# No account's clock is further behind UTC, so a month starts nowhere later.
_MAX_LAG_US = 12 * 3_600_000_000


class MeteringSession:
    """What is counted of one run of HAProxy."""

    def __init__(
        self,
        identity: str,
        folder: Path,
        usage_folder: Path,
        *,
        max_bytes: int,
        route_of: Callable[[str], Route | None],
    ) -> None:
        """Open the instance of a master, or a new one. Takes long for a large store.

        Raises OSError.
        """
        self.identity = identity
        self.instance = _instance_of(folder, identity)
        self.store = UsageStore(usage_folder / self.instance, max_bytes=max_bytes)
        self.meter = UsageMeter(self.store)
        self._route_of = route_of
        self._polls = 0
        self._missing: set[int] = set()
        # Connections that had no accept line so far, and so none in the customer's log.
        self.unannounced: set[int] = set()
        for connection in self.store.open_connections():
            self._resume(connection)
        self._requests = RequestTotals(
            self.meter, self.store.notes(), is_replacement=self.store.is_replacement
        )

    @property
    def open_by_service(self) -> Counter[str]:
        """How many connections each service has open."""
        return Counter(one.service for one in self.meter.open.values())

    def take(self, line: dict[str, Any]) -> None:
        """Count a line: a connection's first or final record, or a forwarded request."""
        event, service = line["ev"], line["svc"]
        if event == "accept":
            number = number_of(line["id"])
            self.unannounced.discard(number)
            self._begin(number, service, int(line["at"]))
        elif event == "end" and line["kind"] == "web":
            self._requests.ended(line["pid"], service, line["up"], line["down"])
        elif event == "end" and line["kind"] == "ws":
            started_us = int(line["at"]) * 1000
            connection = self._seen(line["id"], service, started_us)
            if connection is not None:
                _raise_counts(connection, line["up"], line["down"])
                duration_ns = max(0, int(line["td"])) * 1_000_000
                self._finish(connection, connection.started_ns + duration_ns)

    async def poll(self, haproxy: HAProxy, processes: Processes) -> None:
        """Read every worker's tables. Raises HAProxyUnreachable, OSError."""
        asked_ns = time.monotonic_ns()
        open_entries: list[TableEntry] = []
        for worker in processes.workers:
            open_entries += await haproxy.table(worker, "t_conn", "data.conn_cur gt 0")
            self._requests.read(worker, await haproxy.table(worker, "t_web"))
        self._requests.have_read(processes.workers)
        self._polls += 1
        have_vanished = self.read_open(open_entries, asked_ns)
        if have_vanished or self._polls == _LINES_HAVE_ARRIVED:
            asked_ns = time.monotonic_ns()
            entries: list[TableEntry] = []
            for worker in processes.workers:
                entries += await haproxy.table(worker, "t_conn")
            await self.end_without_lines(entries, asked_ns)

    def read_open(self, entries: Iterable[TableEntry], asked_ns: int) -> bool:
        """Read all that are open; True if some have gone without an end line.

        The tables were asked for at `asked_ns` (monotonic). A connection must be missing
        twice, because its end line may be in flight.
        """
        found = set()
        for entry in entries:
            if (connection := self._read(entry)) is not None:
                found.add(connection.number)
                _set_seen(connection, asked_ns - _CLOCK_TOLERANCE_NS)
        missing = self.meter.open.keys() - found
        have_vanished = bool(missing & self._missing)
        self._missing = missing
        return have_vanished

    async def end_without_lines(
        self, entries: Iterable[TableEntry], asked_ns: int
    ) -> None:
        """End what ended without a line: as its table entry says, or as it was last seen.

        The tables, whole this time, were asked for at `asked_ns` (monotonic). This also
        counts connections that started without a line. It leaves out those so old that
        they may have been counted and pruned, so that nothing ends twice.
        """
        forgotten_ns = _monotonic_of(int(self.store.forgotten_to * 1_000_000))
        used = set()
        for index, entry in enumerate(entries):
            if not index % _ENTRIES_PER_TURN:  # most of very many have ended long ago
                await asyncio.sleep(0)
            if entry.is_used:
                if (connection := self._read(entry)) is not None:
                    used.add(connection.number)
                continue
            ended_ns = asked_ns - max(0, EXPIRE_MS - entry.expires_ms) * 1_000_000
            is_forgotten = ended_ns <= forgotten_ns + _CLOCK_TOLERANCE_NS
            connection = self._read(entry, is_new=not is_forgotten)
            if connection is not None:
                self._finish(connection, ended_ns)
        for number in (self._missing & self.meter.open.keys()) - used:
            self.meter.finish(number)
        self._missing = set()

    def _resume(self, connection: StoredConnection) -> None:
        last, earlier_from, earlier_to = connection
        started_ns = _monotonic_of(last.started_us)
        self.meter.add(
            OpenConnection(
                number=last.number,
                service=last.service,
                month=last.month,
                started_us=last.started_us,
                started_ns=started_ns,
                from_client=earlier_from + last.bytes_from_client,
                to_client=earlier_to + last.bytes_to_client,
                earlier_from=earlier_from,
                earlier_to=earlier_to,
                seen_ns=started_ns + last.duration_us * 1000,
            )
        )

    def _begin(self, number: int, service: str, started_us: int) -> bool:
        """Start to count a connection; False if it is known, or cannot be counted."""
        try:
            if number in self.meter.open or self.meter.has_ended(number):
                return False
        except StoreUnwritable:
            return False  # rather not counted than twice; the next poll asks again
        route = self._route_of(service)
        started_us = min(started_us, time.time_ns() // 1000)
        month = route.month if route else iso_instant(started_us)[:7]
        if self._has_unknown_months(started_us, month):
            return False
        started_ns = _monotonic_of(started_us)
        self.meter.record(
            OpenConnection(
                number=number,
                service=service,
                month=month,
                started_us=started_us,
                started_ns=started_ns,
                seen_ns=started_ns,
            )
        )
        return True

    def _has_unknown_months(self, started_us: int, month: str) -> bool:
        """Say whether a damaged file took the bytes that a connection had in months before.

        It is then not counted any more, because they would count for this month again.
        """
        return (
            self.store.is_replacement
            and started_us < self.store.created_us
            and iso_instant(started_us - _MAX_LAG_US)[:7] < month
        )

    def _seen(self, name: str, service: str, started_us: int) -> OpenConnection | None:
        """Return a connection that the table or its end line names; None if it has ended."""
        number = number_of(name)
        if self._begin(number, service, started_us):
            self.unannounced.add(number)
        return self.meter.open.get(number)

    def _read(self, entry: TableEntry, *, is_new: bool = True) -> OpenConnection | None:
        """Read an entry of t_conn; `is_new` says that its connection may be unknown."""
        key = _KEY.fullmatch(entry.key)
        if key is None:
            return None
        name, started_us = key["connection"], int(key["started_ms"]) * 1000
        if not is_new and number_of(name) not in self.meter.open:
            return None
        connection = self._seen(name, key["service"], started_us)
        if connection is not None:
            _raise_counts(connection, entry.bytes_from_client, entry.bytes_to_client)
        return connection

    def _finish(self, connection: OpenConnection, ended_ns: int) -> None:
        _set_seen(connection, ended_ns)
        self.meter.finish(connection.number)


def note(access_log: AccessLog, route: Route, line: dict[str, Any]) -> None:
    """Write the customer's line about a request that was accepted or refused (R10)."""
    refused = ""
    if line["ev"] == "refused":
        refused = route.refusal_sentence
    elif line["ev"] in LIMIT_ERRORS:
        refused = LIMIT_ERRORS[line["ev"]].sentence()
    access_log.note(
        LoggedRequest(
            route=route,
            at_us=int(line["at"]),
            client=line["client"],
            method=line["method"].encode("latin-1"),
            target=line["path"].encode("latin-1"),
            host=str(line["host"]),
            fields={
                name.encode("latin-1"): [value.encode("latin-1")]
                for name, value in line["fields"].items()
            },
            refused=refused,
        )
    )


def _set_seen(connection: OpenConnection, seen_ns: int) -> None:
    """Note until when a connection was open; the portal would dispute a shorter time."""
    connection.seen_ns = max(connection.seen_ns or 0, seen_ns)


def _raise_counts(connection: OpenConnection, from_client: int, to_client: int) -> None:
    """Take a reading of a connection's bytes; the largest of all is the truth."""
    connection.from_client = max(connection.from_client, from_client)
    connection.to_client = max(connection.to_client, to_client)


def number_of(connection: str) -> int:
    """Return a connection's number from HAProxy's id for it. Raises ValueError."""
    return int(connection.replace("-", "")[:_NUMBER_DIGITS], 16)


def _monotonic_of(time_us: int) -> int:
    """Return the monotonic clock's nanoseconds at an instant in the past."""
    ago_ns = max(0, time.time_ns() - time_us * 1000)
    return time.monotonic_ns() - ago_ns


def _instance_of(folder: Path, identity: str) -> str:
    """Return the instance of a master, a new one unless the last is still its own.

    The file has both: an instance, and the master whose connections it counts.
    """
    path = folder / _INSTANCE_FILE
    with contextlib.suppress(OSError, ValueError):
        instance, master = path.read_text("ascii").split()
        if master == identity:
            return instance
    instance = make_instance_id()
    atomic_write(path, f"{instance} {identity}\n".encode("ascii"))
    return instance
