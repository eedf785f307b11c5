"""Counts connection time and bytes, cumulatively, and writes them to the spool.

Time is the monotonic clock's, added to one reading of the wall clock when the
connection began; whole minutes are made in the portal (R14).
"""

import functools
import itertools
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from products.edge.contract import Route
from products.edge.journal import (
    TRIAL_PAYLOAD,
    ConnectionEntry,
    DeliveryEntry,
    hour_of,
)
from products.edge.spool import Spool, SpoolUnwritable


class Counted(Protocol):
    """What is open and knows its bytes: a tunnel here, or one that HAProxy carries."""

    ended_at_ns: int  # monotonic; 0 while it goes on
    seen_ns: int  # monotonic: open for sure until then; readings go no further

    def counts(self) -> tuple[int, int]:
        """Give the bytes from and to the client so far; never fewer than before."""


_HOUR_NS = 3_600 * 1_000_000_000
_NEVER = sys.maxsize


@dataclass(slots=True)
class Open:
    """A connection that is being counted, in its account's current month."""

    number: int
    service: str
    month: str
    month_ends_us: int  # wall clock; 0 when not known
    started_us: int  # wall clock
    started_ns: int  # monotonic
    tunnel: Counted | None = None
    earlier_from: int = 0  # bytes reported for months before
    earlier_to: int = 0
    known_from: int = 0  # bytes before the tunnel stood: the heads
    known_to: int = 0


class Meter:
    """The readings of one process, journalled under one boot."""

    def __init__(self, spool: Spool) -> None:
        """Count into a spool."""
        self._spool = spool
        self._numbers = itertools.count(1)
        self._unwritten: list[bytes] = []  # readings that the disk did not take
        self._delivery: dict[tuple[str, int], list[int]] = {}  # by service and hour
        self._moved: set[tuple[str, int]] = set()
        self.month_ends_us = _NEVER  # the earliest of those that are open
        self.open: dict[int, Open] = {}

    def begin(self, route: Route, from_client: int, to_client: int) -> Open:
        """Start to count, and have it on disk before anybody hears of the connection.

        Raises SpoolUnwritable, and then nothing was started.
        """
        now_us = time.time_ns() // 1000
        month, ends_us = route.month, instant_us(route.month_ends_at)
        if ends_us and now_us >= ends_us:  # the next table is on its way
            month, ends_us = _month_after(month), 0
        entry = Open(
            number=next(self._numbers),
            service=route.service,
            month=month,
            month_ends_us=ends_us,
            started_us=now_us,
            started_ns=time.monotonic_ns(),
            known_from=from_client,
            known_to=to_client,
        )
        self._spool.append([_reading(entry, entry.started_ns, final=False)])
        self.open[entry.number] = entry
        self._expect_end(entry)
        return entry

    def record(self, entry: Open) -> None:
        """Count a connection that stands already, and write its first reading."""
        self.open[entry.number] = entry
        self._expect_end(entry)
        self._unwritten.append(_reading(entry, time.monotonic_ns(), final=False))
        self.flush()

    def finish(self, number: int) -> None:
        """Write the last reading of a connection; kept for later if the disk refuses."""
        self.end(number)
        self.flush()

    def end(self, number: int) -> None:
        """Take the last reading of a connection; whoever calls sees to `flush`."""
        entry = self.open.pop(number)
        self._unwritten.append(_reading(entry, time.monotonic_ns(), final=True))

    def delivered(self, service: str, requests: int, sent: int, received: int) -> None:
        """Count ordinary HTTP: bytes `sent` by the client and `received` by it."""
        key = (service, time.time_ns() // _HOUR_NS)
        counts = self._delivery.setdefault(key, [0, 0, 0])
        counts[0] += requests
        counts[1] += sent
        counts[2] += received
        self._moved.add(key)

    def resume_delivery(self, entry: DeliveryEntry) -> None:
        """Go on from the last reading of an hour that another process has written."""
        key = (entry.service, instant_us(entry.hour) * 1000 // _HOUR_NS)
        self._delivery[key] = [
            entry.requests,
            entry.bytes_from_client,
            entry.bytes_to_client,
        ]

    def tick(self, part: int = 0, parts: int = 1) -> None:
        """Write a reading of a part of what is open, and of all delivery that moved.

        Ticking in parts keeps many connections from stopping the loop for long.
        """
        now_ns = time.monotonic_ns()
        self._unwritten += [
            _reading(entry, now_ns, final=False)
            for entry in self.open.values()
            if entry.number % parts == part
        ]
        for key in self._moved:
            hour = hour_of(key[1] * _HOUR_NS // 1000)
            moved = DeliveryEntry(key[0], hour, *self._delivery[key])
            self._unwritten.append(moved.to_payload())
        self._moved.clear()
        this_hour = time.time_ns() // _HOUR_NS
        self._delivery = {
            key: counts for key, counts in self._delivery.items() if key[1] >= this_hour
        }
        self.flush()

    def flush(self) -> bool:
        """Write what waits for the disk; False when it still does.

        A disk that refused is tried again even when nothing waits.
        """
        if not self._unwritten and self._spool.is_writable:
            return True
        try:
            self._spool.append(self._unwritten or [TRIAL_PAYLOAD])
        except SpoolUnwritable:
            self._keep_the_last_only()
            return False
        self._unwritten = []
        return True

    def turn_months(self, routes: Mapping[str, Route], now_us: int) -> bool:
        """Close the old month of connections that live on into a new one.

        Their bytes until now are reported for the old month, those from now on for the
        new one, under the same id and start. Says whether there were any.
        """
        have_turned = False
        now_ns = time.monotonic_ns()
        self.month_ends_us = _NEVER
        for entry in self.open.values():
            route = routes.get(entry.service)
            following = _following(entry, route, now_us)
            if following:
                self._unwritten.append(_reading(entry, now_ns, final=False))
                entry.earlier_from, entry.earlier_to = _bytes(entry)
                entry.month = following
                entry.month_ends_us = 0  # until a table names it
                have_turned = True
            if route is not None and route.month == entry.month:
                entry.month_ends_us = instant_us(route.month_ends_at)
            self._expect_end(entry)
        self.flush()
        return have_turned

    def _expect_end(self, entry: Open) -> None:
        if entry.month_ends_us:
            self.month_ends_us = min(self.month_ends_us, entry.month_ends_us)

    def _keep_the_last_only(self) -> None:
        # Readings are cumulative, so a full disk need not fill the memory as well.
        last: dict[tuple[object, ...], bytes] = {}
        for payload in self._unwritten:
            of_whom = 4 if payload.startswith(b'["c"') else 3
            last[tuple(payload.split(b",")[:of_whom])] = payload
        self._unwritten = list(last.values())


@functools.lru_cache(maxsize=1024)
def instant_us(text: str) -> int:
    """Read an ISO 8601 instant as microseconds since 1970; 0 when it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int(moment.timestamp() * 1_000_000) if moment.tzinfo else 0


def _following(entry: Open, route: Route | None, now_us: int) -> str:
    """Give the month an entry must turn to, "" when it stays in its own."""
    if route is not None and route.month > entry.month:
        return route.month
    if not entry.month_ends_us or now_us < entry.month_ends_us:
        return ""
    return _month_after(entry.month)


def _month_after(label: str) -> str:
    year, month = int(label[:4]), int(label[5:7])
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def _bytes(entry: Open) -> tuple[int, int]:
    if entry.tunnel is None:
        return entry.known_from, entry.known_to
    return entry.tunnel.counts()


def _reading(entry: Open, at_ns: int, *, final: bool) -> bytes:
    from_client, to_client = _bytes(entry)
    if (tunnel := entry.tunnel) is not None:
        # What has ended may still be closing, and no reading may go beyond the final one.
        at_ns = tunnel.ended_at_ns or min(at_ns, tunnel.seen_ns)
    return ConnectionEntry(
        number=entry.number,
        service=entry.service,
        month=entry.month,
        started_us=entry.started_us,
        duration_us=(at_ns - entry.started_ns) // 1000,
        bytes_from_client=from_client - entry.earlier_from,
        bytes_to_client=to_client - entry.earlier_to,
        final=final,
    ).to_payload()
