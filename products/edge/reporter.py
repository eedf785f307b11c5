"""Sends what the spool holds to the portal, and forgets it when that is safe.

Everything is cumulative, so a batch may be sent twice, late or out of order. Only the
position up to which the portal has answered 200 is kept, for each boot.
"""

import logging
import math
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from products.edge.backlog import Backlog, Batch, Position
from products.edge.contract import MAX_USAGE_RECORDS, UsageAnswer, UsageReport
from products.edge.journal import instant
from products.edge.portal_client import PortalRefused
from products.edge.recovery import close_boot
from products.edge.spool import write_lasting

log = logging.getLogger(__name__)

_EPOCH = "epoch"
_SILENCE_SECONDS = 60.0  # then an empty report asks whether the portal was restored
_UNREADABLE = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Receiver(Protocol):
    """Whoever takes reports."""

    def usage(self, report: UsageReport) -> UsageAnswer:
        """Take a report. Raises PortalAway or PortalRefused."""


class Restored(Exception):  # noqa: N818 - an event, not a fault
    """The portal came back from a backup: what is kept must be sent again."""


class Reporter:
    """One edge's way of telling the portal; used by one thread at a time."""

    def __init__(
        self,
        edge: str,
        root: Path,
        receiver: Receiver,
        *,
        keep_seconds: float,
        most_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Report the boots in a folder; acknowledged records stay for `keep_seconds`.

        They go earlier when all together take more than half of `most_bytes`.
        """
        self._edge = edge
        self._root = root
        self._receiver = receiver
        self._keep_seconds = keep_seconds
        self._most_bytes = most_bytes
        self._clock = clock
        self._limit = MAX_USAGE_RECORDS
        self._answered_at = 0.0
        self.conflicts = 0
        self.waiting_bytes = 0
        self.total_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether the spool is below its size."""
        return self.total_bytes < self._most_bytes

    def run(self, is_live: Callable[[str], bool]) -> None:
        """Send everything that waits, then tidy up.

        `is_live` says of a boot whether it may still be written to; the others are
        closed first. Blocks. Raises PortalAway or PortalRefused as soon as the portal does not take
        a batch, and OSError.
        """
        for backlog in self._backlogs():
            folder = backlog.folder
            if not is_live(folder.name) and (ended := close_boot(folder)):
                log.warning("%d connections ended with their process.", ended)
        try:
            try:
                self._send_all()
            except Restored:
                log.warning("The portal was restored; all that is kept is sent again.")
                self._send_all()
        finally:
            self._tidy()

    def _backlogs(self) -> list[Backlog]:
        if not self._root.is_dir():
            return []
        return [Backlog(path) for path in sorted(self._root.iterdir()) if path.is_dir()]

    def _send_all(self) -> None:
        backlogs = self._backlogs()
        for backlog in backlogs:
            while (batch := backlog.next_batch(self._limit)) is not None:
                if not batch.entries or self._send(backlog, batch):
                    backlog.acknowledge(batch.end)
        if backlogs and self._clock() - self._answered_at >= _SILENCE_SECONDS:
            self._send(backlogs[-1], Batch((), Position()))

    def _send(self, backlog: Backlog, batch: Batch) -> bool:
        """Send a batch; False when a smaller one must be made instead."""
        boot = backlog.folder.name
        report = UsageReport(
            edge=self._edge,
            boot=boot,
            sent_at=instant(int(self._clock() * 1_000_000)),
            connections=batch.connections(self._edge, boot),
            delivery=batch.delivery(),
        )
        try:
            answer = self._receiver.usage(report)
        except PortalRefused as refused:
            if refused.status not in _UNREADABLE:
                raise
            return self._halve_or_set_aside(backlog, batch)
        self._limit = MAX_USAGE_RECORDS
        self._answered_at = self._clock()
        self.conflicts += len(answer.conflicts)
        for conflict in answer.conflicts:
            log.warning("The portal disputes %s: %s", conflict.id, conflict.reason)
        self._compare_epoch(answer.ingest_epoch)
        return True

    def _halve_or_set_aside(self, backlog: Backlog, batch: Batch) -> bool:
        # One record that the portal cannot read must not keep back all others.
        if len(batch.entries) > 1:
            self._limit = len(batch.entries) // 2
            return False
        if not batch.entries:
            return True
        log.error("A record that the portal refuses is kept in %s.", backlog.folder)
        backlog.set_aside(batch)
        return True

    def _compare_epoch(self, epoch: str) -> None:
        path = self._root / _EPOCH
        known = path.read_text("utf-8") if path.exists() else epoch
        if known != epoch:
            for backlog in self._backlogs():
                backlog.start_again()
        if known != epoch or not path.exists():
            write_lasting(path, epoch.encode())
        if known != epoch:
            raise Restored

    def _tidy(self) -> None:
        now = self._clock()
        self._measure()
        is_crowded = self.total_bytes > self._most_bytes // 2
        before = math.inf if is_crowded else now - self._keep_seconds
        for backlog in self._backlogs():
            backlog.prune(before)
        self._measure()

    def _measure(self) -> None:
        self.total_bytes = sum(
            path.stat().st_size for path in self._root.glob("*/*") if path.is_file()
        )
        self.waiting_bytes = sum(
            backlog.waiting_bytes() for backlog in self._backlogs()
        )
