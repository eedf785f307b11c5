"""The route table: which service a host belongs to, and the copy on disk."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from products.edge.contract import ContractStruct, Route, RouteTable
from products.edge.files import atomic_write
from products.edge.headers import PreparedRule, loop_field, prepare_rules
from products.protocol import host_field

log = logging.getLogger(__name__)

_CONFIRM_SECONDS = 60.0  # the precision of the table's age
_FIRST_PAUSE_SECONDS = 60.0
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class PreparedRoute:
    """A route with everything prepared that a request needs."""

    route: Route
    rules: tuple[PreparedRule, ...]
    override_host: bytes | None
    loop: tuple[bytes, bytes]  # the field that says a request has passed this service


class RouteIndex:
    """A route table to look hosts up in."""

    def __init__(self, table: RouteTable) -> None:
        self.revision = table.revision
        self.by_service: dict[str, Route] = {}
        self._by_host: dict[str, PreparedRoute] = {}
        for route in table.routes:
            self.by_service[route.service] = route
            override = route.origin.override_host if route.origin else None
            prepared = PreparedRoute(
                route,
                prepare_rules(route.header_rules),
                host_field(override).encode("ascii", "replace") if override else None,
                loop_field(route.service),
            )
            for host in route.hosts:
                self._by_host[host.removesuffix(".")] = prepared

    def find(self, host: str) -> PreparedRoute | None:
        """Return the route of a host: by its own name, else by `*.` and a parent domain."""
        found = self._by_host.get(host)
        while found is None and "." in host:
            host = host.partition(".")[2]
            found = self._by_host.get("*." + host)
        return found


class _SavedTable(ContractStruct, frozen=True):
    """What the file holds."""

    table: RouteTable
    etag: str


class TableFile:
    """The last good route table on disk. The file's time is when it was last confirmed."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._is_newest = True  # false if a newer table could not be written
        self._confirmed_at = 0.0
        self._logged_reason = ""
        self._log_again_at = 0.0
        self._pause = 0.0

    def load(self) -> tuple[RouteTable, str] | None:
        """Return the saved table and its ETag; None if there is none.

        Raises OSError, and ContractError if the file is damaged.
        """
        if not self._path.exists():
            return None
        saved = _SavedTable.from_bytes(self._path.read_bytes())
        return saved.table, saved.etag

    def save(self, table: RouteTable, etag: str) -> None:
        """Replace the table atomically. Raises OSError."""
        self._logged_reason = ""
        self._is_newest = False
        atomic_write(self._path, _SavedTable(table, etag).to_bytes())
        self._is_newest = True

    def confirm(self) -> None:
        """Note that the portal confirmed the table. Raises OSError."""
        self._logged_reason = ""
        now = self._clock()
        if self._is_newest and now - self._confirmed_at >= _CONFIRM_SECONDS:
            self._confirmed_at = now
            os.utime(self._path, (now, now))

    def log_staleness(self, reason: str) -> None:
        """Log why there is no newer table, and the age of this one: ever less often, hourly at last."""
        now = self._clock()
        if reason == self._logged_reason and now < self._log_again_at:
            return
        is_news = not self._logged_reason
        self._pause = _FIRST_PAUSE_SECONDS if is_news else min(2 * self._pause, _HOUR)
        self._logged_reason, self._log_again_at = reason, now + self._pause
        try:
            age = timedelta(seconds=max(0, int(now - self._path.stat().st_mtime)))
        except OSError:
            log.warning("There is no table on disk: %s", reason)
            return
        log.warning("Using the last good table, confirmed %s ago: %s", age, reason)
