"""Reports what the usage store holds to the portal, and decides what may be removed.

Readings are cumulative, so a batch may be sent twice, late or out of order. Only the
revision up to which the portal has answered 200 is kept, for each instance.
"""

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

from products.edge.contract import UsageAnswer, UsageReport
from products.edge.errors import PortalErrorResponse
from products.edge.files import atomic_write
from products.edge.usage.instances import damaged_in, instances_in, quarantine_damaged
from products.edge.usage.readings import (
    ConnectionReading,
    DeliveryReading,
    Reading,
    read_values,
)
from products.edge.usage.store import (
    STORE,
    Row,
    StoreDamaged,
    StoredUsage,
    check_store,
)
from products.instants import instant_of

log = logging.getLogger(__name__)

_ABANDONED_SECONDS = 60.0  # a folder without a store for so long is of a dead process
_KEEP_SECONDS = 24 * 3600.0  # what is acknowledged, for a portal that is restored
_KEEPALIVE_SECONDS = 60.0  # then an empty report asks whether the portal was restored
# Read together, so that readings which change meanwhile are sent as they were. So even an
# edge that is always busy can say that everything up to an instant has arrived.
_MAX_READ = 50_000
_MAX_BATCH = 500  # records in a report; each takes 2 KB as a reading and as JSON
_READING_BYTES = 128  # of a connection, with its part of the indexes


class PortalRestored(Exception):
    """The portal came back from a backup: what is kept must be sent again."""


class _Known(msgspec.Struct):
    """What the reporter must know after a restart: a small JSON file of the control process.

    It is apart from the readings, so that neither process waits for the other's lock. It is
    written as a whole, so a new epoch never comes with old revisions. While the disk refuses
    it, it is kept in memory; without it, everything is sent again.
    """

    epoch: str = ""  # of the portal, as it last said it; "" before the first response
    # By instance: when its file was created, and up to which revision it has arrived.
    acknowledged: dict[str, tuple[int, int]] = {}
    quarantined: list[tuple[str, tuple[Any, ...]]] = []  # instance, values


class Reporter:
    """Reports the usage of one edge; used by one thread at a time."""

    def __init__(
        self,
        edge: str,
        folder: Path,
        send: Callable[[UsageReport], UsageAnswer],
        *,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report the instances in a folder; acknowledged readings stay for 24 hours.

        The oldest go earlier if all together take more than half of `max_bytes`. `send`
        raises PortalUnreachable or PortalErrorResponse.
        """
        self._edge = edge
        self._folder = folder
        self._send_report = send
        self._max_bytes = max_bytes
        self._clock = clock
        self._elapsed = elapsed
        self._path = folder.with_name("reports.json")
        self._known = _Known()
        self._is_loaded = False
        self._saved = b""  # what the file has
        self._finished: set[str] = set()  # instances that are known to be
        self._has_offered = False  # what was quarantined before this start
        self._limit = _MAX_BATCH
        self._answered_at = -_KEEPALIVE_SECONDS  # of the monotonic clock
        self._complete_to = 0.0
        self._used_bytes = 0
        self._unsent_bytes = 0
        self._damaged = 0
        self.answers = 0  # reports that the portal accepted

    @property
    def has_capacity(self) -> bool:
        """Whether the usage store is below its size."""
        return self._used_bytes < self._max_bytes

    def status(self) -> dict[str, Any]:
        """Return the state of reporting, for the portal's page about edges.

        All that was written before `complete_to` (seconds since 1970; 0 if it is not
        known) has arrived at the portal of `ingest_epoch`. Any thread may ask.
        """
        # Read before `complete_to` and written after it, so that an old `complete_to`
        # never comes with a new epoch: everything is yet to be sent again there.
        epoch = self._known.epoch
        return {
            "unsent_bytes": self._unsent_bytes,
            "quarantined_records": len(self._known.quarantined) + self._damaged,
            "complete_to": self._complete_to,
            "ingest_epoch": epoch,
        }

    def run(
        self, is_running: Callable[[str], bool], *, is_writable: bool = True
    ) -> None:
        """Send everything that is unsent, then remove what is no longer needed.

        `is_running` says of an instance whether its process can still write; the others
        are finished first. If the disk accepts no readings (`is_writable` is false),
        some wait in memory, and everything that has arrived is removed. Blocks. Raises
        PortalUnreachable or PortalErrorResponse as soon as the portal does not accept a
        batch, and OSError.
        """
        self._load()
        try:
            try:
                complete_to = self._send_all(is_running)
            except PortalRestored:
                log.warning("The portal was restored; all that is kept is sent again.")
                complete_to = self._send_all(is_running)
            is_known = is_writable and self._is_loaded
            is_known = is_known and not (self._damaged or self._known.quarantined)
            if complete_to and is_known:
                self._complete_to = complete_to
        finally:
            is_saved = self._save()
            self._tidy(is_writable=is_writable and is_saved)

    def _load(self) -> None:
        """Read the file, once; quarantine a damaged one."""
        if self._is_loaded:
            return
        try:
            self._saved = self._path.read_bytes()
            self._known = msgspec.json.decode(self._saved, type=_Known)
        except FileNotFoundError:
            pass
        except OSError as error:
            # What is unsent is sent all the same, and all of it again.
            log.warning("What has arrived is not known: %s", error)
            return
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            quarantine_damaged(self._path, error)
        self._is_loaded = True

    def _save(self) -> bool:
        """Write the file, unless it has everything; False if that is only in memory."""
        data = msgspec.json.encode(self._known)
        if data != self._saved and self._is_loaded:
            try:
                atomic_write(self._path, data)
            except OSError as error:
                # What is unsent is sent all the same; a restart sends it again.
                log.warning("What has arrived is only kept in memory: %s", error)
            else:
                self._saved = data
        return data == self._saved

    def _send_all(self, is_running: Callable[[str], bool]) -> float:
        """Send what is unsent; return up to when that is everything, 0 if it is not."""
        read_at = self._clock()
        instances = instances_in(self._folder)
        are_complete = True
        for folder in instances:
            if is_running(folder.name):
                self._finished.discard(folder.name)
            elif folder.name not in self._finished:
                are_complete &= self._finish(folder)
            are_complete &= self._send_instance(folder)
        self._damaged = len(damaged_in(self._folder))
        silence = self._elapsed() - self._answered_at
        if instances and silence >= _KEEPALIVE_SECONDS:
            self._post(instances[-1].name, ())
        if not self._has_offered:
            self._offer_quarantined()
        return read_at if are_complete else 0.0

    def _finish(self, folder: Path) -> bool:
        """Finish the instance of a dead process; False if the disk refuses it.

        It is tried again next time, and what is written of it is sent all the same.
        """
        try:
            if not (folder / STORE).exists():
                if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder)
                return True
            check_store(folder / STORE)
            with StoredUsage(folder) as stored:
                self._acknowledged(stored)
                if ended := stored.finish():
                    log.warning("%d connections ended with their process.", ended)
            self._finished.add(folder.name)
        except StoreDamaged as error:
            quarantine_damaged(folder, error)
        except OSError as error:
            log.warning("An instance cannot be finished: %s", error)
            return False
        return True

    def _send_instance(self, folder: Path) -> bool:
        """Send what is unsent of an instance; say whether that is everything.

        One that cannot be read holds up no other.
        """
        if not (folder / STORE).exists():
            return True
        try:
            with StoredUsage(folder) as stored:
                return self._send_stored(stored)
        except OSError as error:
            log.warning("The usage in %s cannot be reported now: %s", folder, error)
            return False

    def _send_stored(self, stored: StoredUsage) -> bool:
        acknowledged = self._acknowledged(stored)
        # What is written later waits for the next run, or a busy one would not end.
        last, _ = stored.newest()
        instance, created_us = stored.folder.name, stored.created_us
        while rows := stored.unsent(acknowledged, _MAX_READ):
            is_all = len(rows) < _MAX_READ
            # So that no power cut takes back what the portal receives. If the
            # disk fails, report the readings anyway.
            with contextlib.suppress(OSError):
                stored.make_durable()
            while batch := rows[: self._limit]:
                if self._send_batch(instance, batch):
                    acknowledged = batch[-1][0]
                    self._known.acknowledged[instance] = (created_us, acknowledged)
                    del rows[: len(batch)]
            self._save()
            if is_all or acknowledged >= last:
                return is_all
        return True

    def _acknowledged(self, stored: StoredUsage) -> int:
        """Return the revision that the portal has, 0 if the file is not the one it was.

        A power cut may have taken its newest readings, or a new file replaced it.
        """
        created_us, revision = self._known.acknowledged.get(stored.folder.name, (0, 0))
        if created_us == stored.created_us and revision <= stored.newest()[0]:
            return revision
        self._known.acknowledged.pop(stored.folder.name, None)
        return 0

    def _send_batch(self, instance: str, batch: Sequence[Row]) -> bool:
        """Send a batch; False if a smaller one must be sent instead."""
        values = [row[1:] for row in batch]
        readings = [one for one in map(read_values, values) if one is not None]
        if len(readings) < len(values):
            unreadable = [(repr(row),) for row in values if read_values(row) is None]
            self._quarantine(instance, unreadable)
        if not readings:
            return True
        try:
            self._post(instance, readings)
        except PortalErrorResponse as response:
            is_too_large = response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            if len(readings) > 1 and (is_too_large or response.names_a_record):
                self._limit = len(readings) // 2
                return False
            if not response.names_a_record:
                raise
        else:
            self._limit = _MAX_BATCH
            return True
        # One record that the portal rejects must not hold up all others. Only the portal
        # itself, which knows this edge, accepts an empty report.
        self._post(instance, ())
        self._quarantine(instance, [astuple(one) for one in readings])
        return True

    def _quarantine(self, instance: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Keep what the portal rejects. Raises OSError if the disk does not keep it."""
        log.error("Usage records of %s are quarantined.", instance)
        known = self._known.quarantined
        known += [(instance, row) for row in rows if (instance, row) not in known]
        if not self._save():
            raise OSError("what is quarantined could not be written")

    def _offer_quarantined(self) -> None:
        """Send what is quarantined again: the portal may be a later version now."""
        for instance, row in list(self._known.quarantined):
            if (reading := read_values(row)) is None:
                continue
            try:
                self._post(instance, (reading,))
            except PortalErrorResponse as response:
                if not response.names_a_record:
                    raise
            else:
                self._known.quarantined.remove((instance, row))
        self._has_offered = True

    def _post(self, instance: str, readings: Sequence[Reading]) -> None:
        """Send readings. Raises PortalUnreachable, PortalErrorResponse, PortalRestored."""
        report = UsageReport(
            edge=self._edge,
            instance=instance,
            sent_at=instant_of(int(self._clock() * 1_000_000)),
            connections=tuple(
                one.to_record(self._edge, instance)
                for one in readings
                if isinstance(one, ConnectionReading)
            ),
            delivery=tuple(
                one.to_record() for one in readings if isinstance(one, DeliveryReading)
            ),
        )
        answer = self._send_report(report)
        self._answered_at = self._elapsed()
        self.answers += 1
        for conflict in answer.conflicts:
            log.warning("The portal disputes %s: %s", conflict.id, conflict.reason)
        before = self._known.epoch
        if before != answer.ingest_epoch:
            self._complete_to = 0.0
            kept = self._known.quarantined
            self._known = _Known(answer.ingest_epoch, {}, kept)
            if before:
                raise PortalRestored

    def _tidy(self, *, is_writable: bool) -> None:
        """Measure, and remove what is no longer needed.

        While the store is more than half full, what has arrived is kept for less time. If
        the disk accepts nothing, everything that has arrived is removed. An instance that
        runs can write between two transactions.
        """
        kept = min(1.0, max(0.0, 2 - 2 * self._used_bytes / self._max_bytes))
        before = self._clock() - (kept * _KEEP_SECONDS if is_writable else -math.inf)
        if not is_writable:
            log.error("The disk accepts nothing; what has arrived is not kept.")
        used_bytes = unsent = 0
        for folder in instances_in(self._folder):
            if not (folder / STORE).exists():
                continue
            try:
                with StoredUsage(folder) as stored:
                    acknowledged = self._acknowledged(stored)
                    waiting = stored.unsent_count(acknowledged)
                    is_old = stored.newest()[1] < before
                    is_over = folder.name in self._finished and is_old and not waiting
                    if not is_over:
                        unsent += waiting
                        used_bytes += stored.used_bytes()
                        stored.prune(acknowledged, before)
                if is_over:
                    shutil.rmtree(folder)
                    self._finished.discard(folder.name)
                    self._known.acknowledged.pop(folder.name, None)
            except OSError as error:
                log.warning("%s cannot be tidied now: %s", folder, error)
        had_capacity = self.has_capacity
        self._used_bytes, self._unsent_bytes = used_bytes, unsent * _READING_BYTES
        if self.has_capacity != had_capacity:
            log.error("The usage store has capacity: %s.", self.has_capacity)
