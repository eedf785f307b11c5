"""Counts connection time and bytes, cumulatively, and writes them to the usage store.

Time is the monotonic clock's, added to one reading of the wall clock when the
connection started. Whole minutes are computed in the portal (R14).
"""

import asyncio
import contextlib
import functools
import itertools
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from products.edge.contract import Route
from products.edge.usage.readings import ConnectionReading, DeliveryReading, Reading
from products.edge.usage.store import StoreBusy, StoreUnwritable, UsageStore
from products.instants import HOUR_US, iso_hour, microseconds_of
from products.months import month_after

_NEVER = sys.maxsize
# A part of a tick takes neighbours in the store, so that it changes few of its pages.
ROWS_PER_PAGE = 64
# Between two transactions of first readings. It makes connections that arrive fast share
# one, which costs a quarter of one each; a lone connection does not wait.
_ARRIVALS_SECONDS = 0.001
# The end of a month is one number for all connections of an account.
_month_end_us = functools.lru_cache(maxsize=1024)(microseconds_of)
_RETRY_SECONDS = 0.002  # while another connection holds the store's write lock
_MAX_BUSY_SECONDS = 5.0  # then a new connection is refused


class Counted(Protocol):
    """A tunnel, which knows its bytes and its end."""

    ended_at_ns: int  # monotonic; 0 while it is open

    def counts(self) -> tuple[int, int]:
        """Return the bytes from and to the client so far; never fewer than before."""


@dataclass(slots=True)
class OpenConnection:
    """A connection that is being counted, in its account's current month."""

    number: int
    service: str
    month: str
    started_us: int  # wall clock
    started_ns: int  # monotonic
    month_ends_us: int = 0  # wall clock; 0 if it is not known
    from_client: int = 0  # bytes, if no tunnel counts them
    to_client: int = 0
    earlier_from: int = 0  # bytes of the months before
    earlier_to: int = 0
    seen_ns: int | None = None  # monotonic: how far readings go, if not to this moment
    tunnel: Counted | None = None

    def counts(self) -> tuple[int, int]:
        """Return the bytes from and to the client so far."""
        if self.tunnel is None:
            return self.from_client, self.to_client
        return self.tunnel.counts()


class UsageMeter:
    """The readings of one instance."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._numbers = itertools.count(1)
        # Connections whose first readings share a transaction.
        self._arriving: list[tuple[OpenConnection, asyncio.Future[None]]] = []
        self._arrivals_written_at = 0.0  # monotonic
        self._busy_until = 0.0  # monotonic; then those that arrive are refused
        # Readings are cumulative, so of each connection only the newest must wait.
        self._unwritten: dict[tuple[int, str], ConnectionReading] = {}
        self._notes: dict[str, str] = {}
        # What the store does not have yet, by service and hour.
        self._delivered: dict[tuple[str, int], list[int]] = {}
        self.month_ends_us = _NEVER  # the earliest of those that are open
        self.open: dict[int, OpenConnection] = {}

    async def begin(
        self, route: Route, from_client: int, to_client: int
    ) -> OpenConnection:
        """Start to count a connection, and return when its first reading is written.

        Those that arrive within a millisecond share a transaction. Raises
        StoreUnwritable, and then nothing was started.
        """
        now_us = time.time_ns() // 1000
        month, ends_us = route.month, _month_end_us(route.month_ends_at)
        if ends_us and now_us >= ends_us:  # the edge has yet to receive the next table
            month, ends_us = month_after(month), 0
        connection = OpenConnection(
            number=next(self._numbers),
            service=route.service,
            month=month,
            month_ends_us=ends_us,
            started_us=now_us,
            started_ns=time.monotonic_ns(),
            from_client=from_client,
            to_client=to_client,
        )
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        if not self._arriving:
            now = time.monotonic()
            self._busy_until = now + _MAX_BUSY_SECONDS
            wait_seconds = self._arrivals_written_at + _ARRIVALS_SECONDS - now
            loop.call_later(max(0.0, wait_seconds), self._write_arrivals)
        self._arriving.append((connection, written))
        try:
            await written
        except asyncio.CancelledError:
            if connection.number in self.open:
                self.finish(connection.number)
            raise
        return connection

    def _write_arrivals(self) -> None:
        failure: StoreUnwritable | None = None
        waiting = [one for one in self._arriving if not one[1].cancelled()]
        try:
            self._store.write([_reading(one, one.started_ns) for one, _ in waiting])
        except StoreUnwritable as error:
            if isinstance(error, StoreBusy) and time.monotonic() < self._busy_until:
                loop = asyncio.get_running_loop()
                loop.call_later(_RETRY_SECONDS, self._write_arrivals)
                return
            failure = error
        self._arriving = []
        self._arrivals_written_at = time.monotonic()
        for connection, written in waiting:
            if failure is not None:
                written.set_exception(failure)
            else:
                self.add(connection)
                written.set_result(None)

    def record(self, connection: OpenConnection) -> None:
        """Count a connection that is open already, and write its first reading."""
        self.add(connection)
        self._keep(_reading(connection, time.monotonic_ns()))
        self.flush()

    def finish(self, number: int) -> None:
        """Write the last reading of a connection; later, if the disk refuses it."""
        self.end(number)
        self.flush()

    def end(self, number: int) -> None:
        """Take the last reading of a connection; the caller must call `flush`."""
        connection = self.open.pop(number)
        self._keep(_reading(connection, time.monotonic_ns(), final=True))

    def close(self) -> None:
        """Write the last readings, and close the store. What still runs ends as it is."""
        self._store.wait_when_busy()
        self.tick()
        self._store.close()

    def has_ended(self, number: int) -> bool:
        """Say whether a connection has its last reading. Raises StoreUnwritable."""
        return self._store.has_ended(number) or any(
            one.final and one.number == number for one in self._unwritten.values()
        )

    def delivered(self, service: str, requests: int, sent: int, received: int) -> None:
        """Count ordinary requests: bytes `sent` by the client and `received` by it."""
        key = (service, time.time_ns() // 1000 // HOUR_US)
        counts = self._delivered.setdefault(key, [0, 0, 0])
        counts[0] += requests
        counts[1] += sent
        counts[2] += received

    def keep_notes(self, notes: Mapping[str, str]) -> None:
        """Keep texts of the engine, by key, with what is counted so far; "" removes one.

        Both are written in one transaction.
        """
        self._notes.update(notes)

    def tick(self, part: int = 0, parts: int = 1) -> None:
        """Write readings of a part of what is open, and all that waits.

        Ticking in parts keeps many connections from stopping the loop for long.
        """
        now_ns = time.monotonic_ns()
        for connection in self.open.values():
            if connection.number // ROWS_PER_PAGE % parts == part:
                self._keep(_reading(connection, now_ns))
        self.flush()

    def flush(self) -> None:
        """Write what waits; if the disk refuses it, it goes on waiting.

        A disk that refused is tried again even when nothing waits.
        """
        readings: list[Reading] = list(self._unwritten.values())
        for (service, hour), counts in self._delivered.items():
            readings.append(DeliveryReading(service, iso_hour(hour * HOUR_US), *counts))
        with contextlib.suppress(StoreUnwritable):
            if readings or self._notes:
                self._store.write(readings, self._notes)
            elif not self._store.is_writable:
                self._store.probe()
            self._unwritten.clear()
            self._delivered.clear()
            self._notes.clear()

    def roll_over_months(self, routes: Mapping[str, Route], now_us: int) -> None:
        """Start the new month of connections that live on into it.

        Their bytes until now are reported for the old month and those from now on for
        the new one, with the same number and start.
        """
        now_ns = time.monotonic_ns()
        self.month_ends_us = _NEVER
        for connection in self.open.values():
            route = routes.get(connection.service)
            following = _following(connection, route, now_us)
            if following:
                self._keep(_reading(connection, now_ns))
                connection.earlier_from, connection.earlier_to = connection.counts()
                connection.month = following
                connection.month_ends_us = 0  # until a table names it
                # In one transaction, so that a later process knows both.
                self._keep(_reading(connection, now_ns))
            if route is not None and route.month == connection.month:
                connection.month_ends_us = _month_end_us(route.month_ends_at)
            self._expect_end(connection)
        self.flush()

    def add(self, connection: OpenConnection) -> None:
        """Count a connection whose first reading is in the store."""
        self.open[connection.number] = connection
        self._expect_end(connection)

    def _expect_end(self, connection: OpenConnection) -> None:
        if connection.month_ends_us:
            self.month_ends_us = min(self.month_ends_us, connection.month_ends_us)

    def _keep(self, reading: ConnectionReading) -> None:
        self._unwritten[reading.number, reading.month] = reading


def _following(connection: OpenConnection, route: Route | None, now_us: int) -> str:
    """Return the month that a connection must enter, "" if it stays in its own."""
    if route is not None and route.month > connection.month:
        return route.month
    if not connection.month_ends_us or now_us < connection.month_ends_us:
        return ""
    return month_after(connection.month)


def _reading(
    connection: OpenConnection, at_ns: int, *, final: bool = False
) -> ConnectionReading:
    from_client, to_client = connection.counts()
    if connection.seen_ns is not None:
        at_ns = connection.seen_ns
    elif connection.tunnel is not None and connection.tunnel.ended_at_ns:
        # It may still be closing; no reading may exceed the final one.
        at_ns = connection.tunnel.ended_at_ns
    return ConnectionReading(
        number=connection.number,
        service=connection.service,
        month=connection.month,
        started_us=connection.started_us,
        duration_us=(at_ns - connection.started_ns) // 1000,
        bytes_from_client=from_client - connection.earlier_from,
        bytes_to_client=to_client - connection.earlier_to,
        final=final,
    )
