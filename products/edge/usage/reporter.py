"""Reports what the usage store holds to the portal, and decides what may be removed.

Readings are cumulative, so a batch may be sent twice, late or out of order. Only the
revision up to which the portal has answered 200 is kept, for each instance.
"""

import contextlib
import logging
import math
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
from products.edge.usage.database import StoreBusy, StoreDamaged, damage_of
from products.edge.usage.instances import (
    damaged_in,
    instances_in,
    quarantine_damaged,
    remove_instance,
    starting_in,
)
from products.edge.usage.readings import (
    ConnectionReading,
    DeliveryReading,
    Reading,
    read_values,
)
from products.edge.usage.store import STORE, Pruning, StoredUsage, UnsentReadings
from products.instants import instant_of

log = logging.getLogger(__name__)


class _Kept(msgspec.Struct):
    """The content of the file. An instance's file is known by when it was created."""

    epoch: str = ""  # as the portal last said it
    acknowledged: dict[str, tuple[int, int]] = {}  # by instance: created_us, revision
    quarantined: list[tuple[str, tuple[Any, ...]]] = []  # instance, values


class ReportState:
    """What the reporter must know after a restart: a small JSON file of the control process.

    It is apart from the readings, so that neither process waits for the other's lock. While
    the disk refuses it, everything is kept in memory. The loss of what was acknowledged costs
    nothing but sending everything again. It is written as a whole, so a new epoch never comes
    with old revisions.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _Kept()
        self.is_loaded = False
        self.is_saved = True  # whether the file has everything

    @property
    def epoch(self) -> str:
        """The portal's ingest epoch; "" before the first response."""
        return self._kept.epoch

    def load(self) -> None:
        """Read the file, once; quarantine a damaged one. Raises OSError."""
        if self.is_loaded:
            return
        try:
            self._kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            self.is_saved = True
        except FileNotFoundError:
            pass
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.error("%s is damaged: %s", self._path, error)  # noqa: TRY400 - no fault of the code
            quarantine_damaged(self._path)
        self.is_loaded = True

    def save(self) -> None:
        """Write what is only in memory. Raises OSError, also if the file was not read yet."""
        if not self.is_saved:
            if not self.is_loaded:
                raise OSError("the file of the reports could not be read")
            atomic_write(self._path, msgspec.json.encode(self._kept))
            self.is_saved = True

    def acknowledged(self, instance: str, created_us: int) -> int:
        """Return the revision that the portal has of a file; 0 of one that is new."""
        created, revision = self._kept.acknowledged.get(instance, (created_us, 0))
        return revision if created == created_us else 0

    def acknowledge(self, instance: str, created_us: int, revision: int) -> None:
        """Note that everything up to a revision has arrived."""
        if self._kept.acknowledged.get(instance) != (created_us, revision):
            self._kept.acknowledged[instance] = (created_us, revision)
            self.is_saved = False

    def forget(self, instance: str) -> None:
        """Forget an instance of which nothing is left."""
        if self._kept.acknowledged.pop(instance, None):
            self.is_saved = False

    def learn_epoch(self, epoch: str) -> None:
        """Keep a new epoch, and forget what has arrived at the portal of another one."""
        self._kept = _Kept(epoch, {}, self._kept.quarantined)
        self.is_saved = False

    def quarantined(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return what is quarantined: instance and values of each."""
        return list(self._kept.quarantined)

    def quarantine(self, instance: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Keep readings that the portal rejects, durably. Raises OSError."""
        for row in rows:
            if (instance, row) not in self._kept.quarantined:
                self._kept.quarantined.append((instance, row))
        self.is_saved = False
        self.save()

    def release(self, instance: str, row: tuple[Any, ...]) -> None:
        """Remove a reading that the portal has accepted after all."""
        self._kept.quarantined.remove((instance, row))
        self.is_saved = False


_ABANDONED_SECONDS = 60.0  # a folder hidden for so long belongs to a dead process
_KEEPALIVE_SECONDS = 60.0  # then an empty report asks whether the portal was restored
# Read together, so that readings which change meanwhile are sent as they were. So even an
# edge that is always busy can say that everything up to an instant has arrived.
_MAX_READ = 50_000
_MAX_BATCH = 500  # records in a report; each takes 2 KB as a reading and as JSON
_READING_BYTES = 128  # of a connection, with its part of the indexes


class PortalRestored(Exception):
    """The portal came back from a backup: what is kept must be sent again."""


class Reporter:
    """Reports the usage of one edge; used by one thread at a time."""

    def __init__(
        self,
        edge: str,
        folder: Path,
        send: Callable[[UsageReport], UsageAnswer],
        *,
        keep_seconds: float,
        max_bytes: int,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report the instances in a folder; acknowledged readings stay `keep_seconds`.

        The oldest go earlier if all together take more than half of `max_bytes`. `send`
        raises PortalUnreachable or PortalErrorResponse.
        """
        self._edge = edge
        self._folder = folder
        self._send_report = send
        self._keep_seconds = self._max_keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._clock = clock
        self._elapsed = elapsed
        self._state = ReportState(folder.with_name("reports.json"))
        self._finished: set[str] = set()  # instances that are known to be
        self._has_offered = False  # what was quarantined before this start
        self._limit = _MAX_BATCH
        self._answered_at = -_KEEPALIVE_SECONDS  # of the monotonic clock
        self._complete_to = 0.0
        self._used_bytes = 0
        self._unsent_bytes = 0
        self._damaged = 0
        self.answers = 0  # reports that the portal accepted
        self.conflicts = 0
        self.pruning: dict[str, Pruning] = {}  # of the instances that run

    @property
    def has_capacity(self) -> bool:
        """Whether the usage store is below its size."""
        return self._used_bytes < self._max_bytes

    @property
    def _quarantined(self) -> int:
        return len(self._state.quarantined())

    def status(self) -> dict[str, Any]:
        """Return the state of reporting, for the portal's page about edges.

        All that was written before `complete_to` (seconds since 1970; 0 if it is not
        known) has arrived at the portal of `ingest_epoch`. Any thread may ask.
        """
        # Read before `complete_to` and written after it, so that an old `complete_to`
        # never comes with a new epoch: everything is yet to be sent again there.
        epoch = self._state.epoch
        return {
            "unsent_bytes": self._unsent_bytes,
            "quarantined_records": self._quarantined + self._damaged,
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
        self._load_state()
        are_finished = self._finish_dead(is_running)
        self._damaged = len(damaged_in(self._folder))
        try:
            complete_to = self._send_all()
            if complete_to is None:  # the portal was restored
                complete_to = self._send_all()
            is_known = are_finished and is_writable and self._state.is_loaded
            is_known = is_known and not (self._damaged or self._quarantined)
            if complete_to and is_known:
                self._complete_to = complete_to
        finally:
            self._save_state()
            self._tidy(is_writable=is_writable and self._state.is_saved)

    def _load_state(self) -> None:
        try:
            self._state.load()
        except OSError as error:
            # What is unsent is sent all the same, and all of it again.
            log.warning("What has arrived is not known: %s", error)

    def _save_state(self) -> None:
        try:
            self._state.save()
        except OSError as error:
            # What is unsent is sent all the same; a restart sends it again.
            log.warning("What has arrived is only kept in memory: %s", error)

    def _finish_dead(self, is_running: Callable[[str], bool]) -> bool:
        """Finish the instances of dead processes; False if the disk refuses one.

        It is tried again next time, and what is written of it is sent all the same.
        """
        are_finished = True
        for folder in instances_in(self._folder):
            if folder.name in self._finished or is_running(folder.name):
                continue
            try:
                self._finish(folder)
            except StoreDamaged as error:
                log.error("%s is damaged: %s", folder / STORE, error)  # noqa: TRY400 - no fault of the code
                quarantine_damaged(folder)
            except (OSError, StoreBusy) as error:
                log.warning("An instance cannot be finished: %s", error)
                are_finished = False
        return are_finished

    def _finish(self, folder: Path) -> None:
        if not StoredUsage.has_begun(folder):
            remove_instance(folder)
            return
        if damage := damage_of(folder / STORE):
            raise StoreDamaged(damage)
        with StoredUsage(folder) as stored:
            self._forget_lost_revisions(stored)
            if not stored.is_finished and (ended := stored.finish()):
                log.warning("%d connections ended with their process.", ended)
        self._finished.add(folder.name)

    def _send_all(self) -> float | None:
        """Send what is unsent; return up to when that is everything, 0 if it is not.

        None if the portal was restored, and everything must be sent again.
        """
        read_at = self._clock()
        instances = instances_in(self._folder)
        are_complete = True
        try:
            for folder in instances:
                are_complete &= self._send_instance(folder)
            silence = self._elapsed() - self._answered_at
            if instances and silence >= _KEEPALIVE_SECONDS:
                self._post(instances[-1].name, ())
            if not self._has_offered:
                self._offer_quarantined()
        except PortalRestored:
            log.warning("The portal was restored; all that is kept is sent again.")
            return None
        return read_at if are_complete else 0.0

    def _send_instance(self, folder: Path) -> bool:
        """Send what is unsent of an instance; say whether that is everything.

        One that cannot be read holds up no other.
        """
        try:
            return not StoredUsage.has_begun(folder) or self._send_stored(folder)
        except (StoreDamaged, StoreBusy, OSError) as error:
            log.warning("The usage in %s cannot be reported now: %s", folder, error)
            return False

    def _send_stored(self, folder: Path) -> bool:
        with StoredUsage(folder) as stored:
            acknowledged = self._forget_lost_revisions(stored)
            # What is written later waits for the next run, or a busy one would not end.
            last = stored.revision()
            created_us = stored.created_us
            while True:
                unsent = stored.unsent(acknowledged, _MAX_READ)
                if unsent.end > acknowledged:
                    # So that no power cut takes back what the portal receives. If the
                    # disk fails, report the readings anyway.
                    with contextlib.suppress(OSError):
                        stored.make_durable()
                    self._send(folder.name, created_us, unsent)
                    self._save_state()
                acknowledged = unsent.end
                if unsent.is_all or acknowledged >= last:
                    return unsent.is_all

    def _forget_lost_revisions(self, stored: StoredUsage) -> int:
        """Return the acknowledged revision, 0 if the file is not the one it was.

        A power cut may have taken its newest readings, or a new file replaced it.
        """
        name, created_us = stored.folder.name, stored.created_us
        acknowledged = self._state.acknowledged(name, created_us)
        if acknowledged > stored.revision():
            self._state.acknowledge(name, created_us, 0)
            return 0
        return acknowledged

    def _send(self, instance: str, created_us: int, unsent: UnsentReadings) -> None:
        sent = 0
        while sent < len(unsent.packed):
            batch = unsent.part(sent, self._limit)
            readings, unreadable = batch.read()
            if unreadable:
                self._quarantine(instance, unreadable)
            if not readings or self._send_batch(instance, readings):
                self._state.acknowledge(instance, created_us, batch.end)
                sent += len(batch.packed)

    def _send_batch(self, instance: str, readings: Sequence[Reading]) -> bool:
        """Send a batch; False if a smaller one must be sent instead."""
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

    def _quarantine(self, instance: str, rows: Sequence[tuple[Any, ...]]) -> None:
        log.error("%d usage records of %s are quarantined.", len(rows), instance)
        self._state.quarantine(instance, rows)

    def _offer_quarantined(self) -> None:
        """Send what is quarantined again: the portal may be a later version now."""
        for instance, row in self._state.quarantined():
            reading = read_values(row)
            if reading is not None and self._is_accepted(instance, reading):
                self._state.release(instance, row)
        self._has_offered = True

    def _is_accepted(self, instance: str, reading: Reading) -> bool:
        try:
            self._post(instance, (reading,))
        except PortalErrorResponse as response:
            if not response.names_a_record:
                raise
            return False
        return True

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
        self.conflicts += len(answer.conflicts)
        for conflict in answer.conflicts:
            log.warning("The portal disputes %s: %s", conflict.id, conflict.reason)
        self._compare_epoch(answer.ingest_epoch)

    def _compare_epoch(self, epoch: str) -> None:
        known = self._state.epoch
        if known == epoch:
            return
        self._complete_to = 0.0
        self._state.learn_epoch(epoch)
        if known:
            raise PortalRestored

    def _tidy(self, *, is_writable: bool) -> None:
        """Measure, and remove what is no longer needed.

        If the disk accepts nothing, everything that has arrived is removed.
        """
        self._remove_abandoned()
        keep_seconds = self._keep_seconds if is_writable else -math.inf
        if not is_writable:
            log.error("The disk accepts nothing; what has arrived is not kept.")
        before = self._clock() - keep_seconds
        used_bytes = unsent = 0
        pruning = {}
        for folder in instances_in(self._folder):
            try:
                if not StoredUsage.has_begun(folder):
                    continue
                with StoredUsage(folder) as stored:
                    acknowledged = self._forget_lost_revisions(stored)
                    waiting = stored.unsent_count(acknowledged)
                    is_old = stored.written_at < before
                    size = stored.used_bytes()
                if folder.name in self._finished and is_old and not waiting:
                    self._remove(folder)
                    continue
                unsent += waiting
                used_bytes += size
                pruning[folder.name] = Pruning(acknowledged, before)
            except (StoreDamaged, StoreBusy, OSError) as error:
                log.warning("%s cannot be tidied now: %s", folder, error)
        self.pruning = pruning
        self._used_bytes, self._unsent_bytes = used_bytes, unsent * _READING_BYTES
        self._choose_keep_seconds()

    def _remove(self, folder: Path) -> None:
        """Remove a finished instance whose last reading has arrived and is old enough."""
        remove_instance(folder)
        self._finished.discard(folder.name)
        self._state.forget(folder.name)

    def _choose_keep_seconds(self) -> None:
        """Keep what has arrived for less time while the store is more than half full."""
        half = self._max_bytes / 2
        if self._used_bytes > half:
            self._keep_seconds *= half / self._used_bytes
        else:
            self._keep_seconds = min(self._max_keep_seconds, 2 * self._keep_seconds + 1)

    def _remove_abandoned(self) -> None:
        """Remove the folder of a process that was killed while it made it."""
        for folder in starting_in(self._folder):
            try:
                if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    remove_instance(folder)
            except OSError as error:
                log.warning("%s cannot be removed: %s", folder, error)
