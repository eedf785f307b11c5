"""The connections that HAProxy carries, counted into the same spool as a tunnel's.

A connection's number is taken from HAProxy's own id for it, so an agent that was away,
or was started anew, goes on counting the same connection.
"""

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from products.edge.contract import Route
from products.edge.haproxy import earlier
from products.edge.haproxy.ended import Ended
from products.edge.haproxy.frontend import EXPIRE_MS, TABLE_ENTRIES
from products.edge.haproxy.master_socket import TableEntry
from products.edge.haproxy.past import monotonic_of, open_connections
from products.edge.journal import ConnectionEntry, instant
from products.edge.meter import Meter, Open, instant_us

REMEMBERED = TABLE_ENTRIES  # ended connections, whose last traces may still come
_NUMBER_DIGITS = (
    24  # hexadecimal, of an id's 32: the whole must fit the portal's column
)

# An entry of t_conn is named by it.
_KEY = re.compile(
    r"(?P<service>[^|]*)\|(?P<connection>[0-9A-Fa-f-]+)\|(?P<started_ms>[0-9]+)"
)

# So far the tables and the end line may differ about when a connection ended: a reading
# that went further would be more than the final one.
_PARTING_NS = 1_000_000_000


@dataclass(slots=True)
class Counter:
    """What is known of a connection's bytes: the largest of all readings."""

    from_client: int
    to_client: int
    seen_ns: int  # monotonic: when it was last known to be open
    ended_at_ns: int = 0

    def counts(self) -> tuple[int, int]:
        """Give the bytes from and to the client."""
        return self.from_client, self.to_client

    def read(self, from_client: int, to_client: int) -> None:
        """Take a reading; it never goes back."""
        self.from_client = max(self.from_client, from_client)
        self.to_client = max(self.to_client, to_client)


class Ledger:
    """All connections of one boot of HAProxy."""

    def __init__(
        self, meter: Meter, folder: Path, route_of: Callable[[str], Route | None]
    ) -> None:
        """Count into a meter, whose spool writes to a boot's folder.

        `route_of` names a service's route, for its month.
        """
        self._meter = meter
        self._folder = folder
        self._route_of = route_of
        self._ended = Ended(REMEMBERED)
        self._counters: dict[int, Counter] = {}
        self._missing: set[int] = set()
        self._unheard: set[int] = set()  # begun without an accept line, so far
        self._adrift: set[int] = set()  # their bytes of earlier months nobody knows
        self._is_earlier_saved = True

    @property
    def open_services(self) -> frozenset[str]:
        """Which services have open connections."""
        return frozenset(entry.service for entry in self._meter.open.values())

    @property
    def unheard(self) -> int:
        """How many connections no accept line has told of, nor the customer's log."""
        return len(self._unheard)

    def resume(self) -> None:
        """Go on from what an agent before has written of this boot.

        Takes long for a large spool. Raises OSError.
        """
        saved = earlier.load(self._folder)
        for months in open_connections(self._folder, self._ended).values():
            self._take_up(months, saved)
        self._is_earlier_saved = False
        self._save_earlier()

    def turn_months(self, routes: Mapping[str, Route], now_us: int) -> None:
        """Close the old month of connections that live on into a new one."""
        if self._meter.turn_months(routes, now_us):
            self._is_earlier_saved = False
        self._save_earlier()

    def accepted(self, connection: str, service: str, started_us: int) -> None:
        """Begin to count a connection, unless it is known."""
        number = number_of(connection)
        self._unheard.discard(number)
        self._begin(number, service, started_us)

    def told_of(self, connection: str, service: str, started_us: int) -> None:
        """Begin to count a connection of which only the table or its end tells."""
        number = number_of(connection)
        if self._begin(number, service, started_us):
            self._unheard.add(number)

    def _begin(self, number: int, service: str, started_us: int) -> bool:
        if number in self._meter.open or number in self._ended:
            return False
        route = self._route_of(service)
        started_us = min(started_us, time.time_ns() // 1000)
        started_ns = monotonic_of(started_us)
        counter = Counter(0, 0, started_ns)
        self._counters[number] = counter
        self._meter.record(
            Open(
                number=number,
                service=service,
                month=route.month if route else instant(started_us)[:7],
                month_ends_us=instant_us(route.month_ends_at) if route else 0,
                started_us=started_us,
                started_ns=started_ns,
                tunnel=counter,
            )
        )
        return True

    def ended(
        self, connection: str, *, duration_us: int, from_client: int, to_client: int
    ) -> None:
        """End a connection with HAProxy's own last word about it."""
        number = number_of(connection)
        entry = self._meter.open.get(number)
        if entry is None:
            return
        self._count(number, from_client, to_client)
        self._finish(number, entry.started_ns + duration_us * 1000)

    def read_open(self, entries: list[TableEntry], asked_ns: int) -> bool:
        """Take readings of all that are open; True when some have vanished unsaid.

        The tables were asked for at `asked_ns` (monotonic).
        One must be missing twice: its end may be on its way.
        """
        found = set()
        for entry in entries:
            if (number := self._read(entry)) is not None:
                found.add(number)
                counter = self._counters[number]
                counter.seen_ns = max(counter.seen_ns, asked_ns - _PARTING_NS)
        missing = self._meter.open.keys() - found
        lost = missing & self._missing
        self._missing = missing
        return bool(lost)

    def not_known(self, entries: list[TableEntry]) -> list[TableEntry]:
        """Leave out of a whole table those that are known to have ended, mostly all.

        Takes long, and does no harm in a thread.
        """
        return [
            one
            for one in entries
            if one.is_used or _number_in(one.key) not in self._ended
        ]

    def settle(self, entries: list[TableEntry], asked_ns: int) -> None:
        """End what has ended unsaid: as its table entry knows, or as it was last seen.

        The tables, whole this time, were asked for at `asked_ns` (monotonic).
        Also counts whole those of whose beginning nothing was heard either. Not those so
        old that they may have been counted and forgotten: nothing ends a second time.
        """
        used = set()
        for entry in entries:
            if entry.is_used:
                if (number := self._read(entry)) is not None:
                    used.add(number)
                continue
            ended_ns = asked_ns - max(0, EXPIRE_MS - entry.expires_ms) * 1_000_000
            is_told = ended_ns <= self._ended.forgotten_to_ns + _PARTING_NS
            if is_told and _number_in(entry.key) not in self._meter.open:
                continue
            if (number := self._read(entry)) is not None:
                self._finish(number, ended_ns)
        for number in (self._missing & self._meter.open.keys()) - used:
            self._finish(number, self._counters[number].seen_ns)
        self._missing = set()

    def end_all(self) -> None:
        """End everything as it was last seen: HAProxy is gone."""
        for number in list(self._meter.open):
            self._finish(number, self._counters[number].seen_ns)

    def _read(self, entry: TableEntry) -> int | None:
        key = _KEY.fullmatch(entry.key)
        if key is None:
            return None
        self.told_of(key["connection"], key["service"], int(key["started_ms"]) * 1000)
        number = number_of(key["connection"])
        if number not in self._meter.open:
            return None
        values = entry.values
        self._count(
            number, values.get("bytes_in_cnt", 0), values.get("bytes_out_cnt", 0)
        )
        return number

    def _take_up(
        self,
        months: Mapping[str, ConnectionEntry],
        saved: Mapping[int, earlier.Earlier] | None,
    ) -> None:
        number = next(iter(months.values())).number
        last, before = earlier.newest_and_earlier(months, (saved or {}).get(number))
        if saved is None and earlier.may_have_begun_before(months[min(months)]):
            self._adrift.add(number)
        started_ns = monotonic_of(last.started_us)
        counter = Counter(
            before.from_client + last.bytes_from_client,
            before.to_client + last.bytes_to_client,
            started_ns + last.duration_us * 1000,
        )
        self._counters[number] = counter
        self._meter.open[number] = Open(
            number=number,
            service=last.service,
            month=last.month,
            month_ends_us=0,
            started_us=last.started_us,
            started_ns=started_ns,
            tunnel=counter,
            earlier_from=before.from_client,
            earlier_to=before.to_client,
        )

    def _count(self, number: int, from_client: int, to_client: int) -> None:
        counter = self._counters[number]
        if number in self._adrift:
            # All that is new may be of an earlier month: counted at most once, if at all.
            self._adrift.discard(number)
            entry = self._meter.open[number]
            entry.earlier_from += max(0, from_client - counter.from_client)
            entry.earlier_to += max(0, to_client - counter.to_client)
            self._is_earlier_saved = False
        counter.read(from_client, to_client)

    def _save_earlier(self) -> None:
        """Keep on disk what months before have had; where it refuses, try next time.

        Before anything is written of the new month. As long as some are adrift, there
        is no file, which says so to the next agent.
        """
        if self._is_earlier_saved or self._adrift:
            return
        with contextlib.suppress(OSError):
            earlier.save(self._folder, self._meter.open.values())
            self._is_earlier_saved = True

    def _finish(self, number: int, ended_ns: int) -> None:
        entry = self._meter.open.get(number)
        if entry is not None:
            counter = self._counters.pop(number)
            self._adrift.discard(number)
            # Never behind a reading before: the portal would dispute it.
            counter.ended_at_ns = max(ended_ns, counter.seen_ns, entry.started_ns + 1)
            self._meter.finish(number)
            self._ended.add(number, time.monotonic_ns())


def number_of(connection: str) -> int:
    """Give a connection's number from HAProxy's id for it. Raises ValueError."""
    return int(connection.replace("-", "")[:_NUMBER_DIGITS], 16)


def _number_in(key: str) -> int | None:
    found = _KEY.fullmatch(key)
    return number_of(found["connection"]) if found else None
