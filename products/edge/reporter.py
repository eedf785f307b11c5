"""Sends what the spool holds to the portal, and forgets it when that is safe.

Everything is cumulative, so a batch may be sent twice, late or out of order. Only the
position up to which the portal has answered 200 is kept, for each boot.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from products.edge.backlog import Backlog, Batch, Entry
from products.edge.boots import Boots
from products.edge.contract import MAX_USAGE_RECORDS, UsageAnswer, UsageReport
from products.edge.journal import ConnectionEntry, DeliveryEntry, instant
from products.edge.portal_client import PortalErrorResponse
from products.edge.recovery import close_boot
from products.edge.spool import write_lasting

log = logging.getLogger(__name__)

_EPOCH = "epoch"
_SILENCE_SECONDS = 60.0  # then an empty report asks whether the portal was restored


class Receiver(Protocol):
    """Whoever takes reports."""

    def usage(self, report: UsageReport) -> UsageAnswer:
        """Take a report. Raises PortalAway or PortalErrorResponse."""


class Restored(Exception):
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

        The oldest go earlier when all together take more than half of `most_bytes`.
        """
        self._edge = edge
        self._root = root
        self._receiver = receiver
        self._boots = Boots(
            root, keep_seconds=keep_seconds, most_bytes=most_bytes, clock=clock
        )
        self._clock = clock
        self._epoch = ""  # as the portal last said it
        self._has_begun = False
        self._has_offered = False  # what was set aside before this start
        self._limit = MAX_USAGE_RECORDS
        self._answered_at = 0.0
        self._complete_to = 0.0
        self.answers = 0  # reports that the portal took
        self.conflicts = 0
        self._records_refused = 0

    @property
    def has_room(self) -> bool:
        """Whether the spool is below its size."""
        return self._boots.has_room

    def status(self) -> dict[str, Any]:
        """Say how reporting does, for the portal's page about edges.

        All that was written before `complete_to` (seconds since 1970; 0 when nobody can
        say) has arrived at the portal of `ingest_epoch`. Any thread may ask.
        """
        # Read before `complete_to` and written after it, so that no old `complete_to`
        # goes with a new epoch, which would call complete what is yet to be sent again.
        epoch = self._epoch
        return {
            "spool_waiting_bytes": self._boots.waiting_bytes,
            "spool_bytes": self._boots.total_bytes,
            "records_refused": self._records_refused,
            "conflicts": self.conflicts,
            "complete_to": self._complete_to,
            "ingest_epoch": epoch,
        }

    def run(self, is_live: Callable[[str], bool], *, is_writable: bool = True) -> None:
        """Send everything that waits, then tidy up.

        `is_live` says of a boot whether it may still be written to; the others are
        closed first. Where the disk takes no readings (`is_writable` is false), some
        wait elsewhere, and what has arrived makes room. Blocks. Raises PortalAway or
        PortalErrorResponse as soon as the portal does not take a batch, and OSError.
        """
        if not self._has_begun:
            self._begin()
        are_closed = self._close_boots(is_live)
        try:
            read_at = self._send_all() or self._send_all()
            if read_at and are_closed and is_writable and not self._records_refused:
                self._complete_to = read_at
        finally:
            self._boots.tidy(is_writable=is_writable)

    def _begin(self) -> None:
        path = self._root / _EPOCH
        self._epoch = path.read_text("utf-8", "replace") if path.exists() else ""
        self._count_refused()
        self._has_begun = True

    def _count_refused(self) -> None:
        self._records_refused = sum(
            len(one.refused()) for one in self._boots.backlogs()
        )

    def _close_boots(self, is_live: Callable[[str], bool]) -> bool:
        """Close the boots of dead processes; False when the disk refuses one.

        It is tried again next time, and what is written of it is sent all the same.
        """
        are_closed = True
        for backlog in self._boots.backlogs():
            folder = backlog.folder
            try:
                ended = 0 if is_live(folder.name) else close_boot(folder)
            except OSError as error:
                log.warning("A boot cannot be closed: %s", error)
                are_closed = False
            else:
                if ended:
                    log.warning("%d connections ended with their process.", ended)
        return are_closed

    def _send_all(self) -> float | None:
        """Send what waits; say up to when that is everything.

        None when the portal was restored, and all must be sent again.
        """
        read_at = self._clock()
        backlogs = self._boots.backlogs()
        # What is written meanwhile waits for the next run, or a busy boot would have no end.
        until = [backlog.end() for backlog in backlogs]
        try:
            for backlog, end in zip(backlogs, until, strict=True):
                while (batch := backlog.next_batch(self._limit, end)) is not None:
                    if not batch.entries or self._send(backlog, batch):
                        self._acknowledge(backlog, batch)
            if backlogs and self._clock() - self._answered_at >= _SILENCE_SECONDS:
                self._post(backlogs[-1], ())
            if not self._has_offered:
                self._offer_refused(backlogs)
        except Restored:
            log.warning("The portal was restored; all that is kept is sent again.")
            return None
        return read_at

    def _acknowledge(self, backlog: Backlog, batch: Batch) -> None:
        backlog.acknowledge(batch.end)
        if backlog.is_saved:
            backlog.compact()
        else:
            self._boots.make_room()

    def _send(self, backlog: Backlog, batch: Batch) -> bool:
        """Send a batch; False when a smaller one must be made instead."""
        try:
            self._post(backlog, batch.entries)
        except PortalErrorResponse as refused:
            is_too_large = refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            if len(batch.entries) > 1 and (is_too_large or refused.names_a_record):
                self._limit = len(batch.entries) // 2
                return False
            if not refused.names_a_record:
                raise
        else:
            self._limit = MAX_USAGE_RECORDS
            return True
        # One record that the portal cannot read must not keep back all others. Who takes
        # an empty report is the portal, and knows this edge for what it is.
        self._post(backlog, ())
        log.error("A record that the portal refuses is kept in %s.", backlog.folder)
        backlog.set_aside(batch.entries)
        self._count_refused()
        return True

    def _offer_refused(self, backlogs: Sequence[Backlog]) -> None:
        """Send once more what was set aside: the portal may be another version now."""
        for backlog in backlogs:
            if entries := backlog.refused():
                still = [one for one in entries if not self._is_taken(backlog, one)]
                backlog.set_aside_only(still)
        self._count_refused()
        self._has_offered = True

    def _is_taken(self, backlog: Backlog, entry: Entry) -> bool:
        try:
            self._post(backlog, (entry,))
        except PortalErrorResponse as refused:
            if not refused.names_a_record:
                raise
            return False
        return True

    def _post(self, backlog: Backlog, entries: Sequence[Entry]) -> None:
        """Hand readings in. Raises PortalAway, PortalErrorResponse, Restored, OSError."""
        boot = backlog.folder.name
        report = UsageReport(
            edge=self._edge,
            boot=boot,
            sent_at=instant(int(self._clock() * 1_000_000)),
            connections=tuple(
                entry.to_record(self._edge, boot)
                for entry in entries
                if isinstance(entry, ConnectionEntry)
            ),
            delivery=tuple(
                entry.to_record()
                for entry in entries
                if isinstance(entry, DeliveryEntry)
            ),
        )
        answer = self._receiver.usage(report)
        self._answered_at = self._clock()
        self.answers += 1
        self.conflicts += len(answer.conflicts)
        for conflict in answer.conflicts:
            log.warning("The portal disputes %s: %s", conflict.id, conflict.reason)
        self._compare_epoch(answer.ingest_epoch)

    def _compare_epoch(self, epoch: str) -> None:
        known, path = self._epoch, self._root / _EPOCH
        is_restored = known not in {"", epoch}
        if is_restored:
            for backlog in self._boots.backlogs():
                backlog.start_again()  # lasting, before the epoch is
            self._complete_to = 0.0
        self._epoch = epoch
        if known != epoch or not path.exists():
            # Where the disk refuses, the next answer brings it again.
            with contextlib.suppress(OSError):
                write_lasting(path, epoch.encode())
        if is_restored:
            raise Restored
