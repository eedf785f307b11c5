"""Reports what the usage store holds to the portal, and decides what may be removed.

Readings are cumulative, so a batch may be sent twice, late or out of order. Only the
revision up to which the portal has answered 200 is kept, for each instance.
"""

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from products.edge.contract import UsageAnswer, UsageReport
from products.edge.errors import PortalErrorResponse
from products.edge.usage.database import (
    StoreBusy,
    StoreDamaged,
    StoreUnwritable,
    connect,
    damage_of,
    failure_of,
    transaction,
)
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
    read_text,
    to_text,
)
from products.edge.usage.store import STORE, StoredUsage, UnsentReadings
from products.instants import instant_of

log = logging.getLogger(__name__)

_FILE = "reports.db"
_SCHEMA = """
CREATE TABLE acknowledged (
  instance TEXT PRIMARY KEY, created_us INTEGER NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE quarantined (
  key INTEGER PRIMARY KEY, instance TEXT NOT NULL, reading TEXT NOT NULL,
  UNIQUE (instance, reading));
CREATE TABLE portal (epoch TEXT NOT NULL);
INSERT INTO portal VALUES ('');
PRAGMA user_version = 1;
"""
_ACKNOWLEDGE = """
INSERT INTO acknowledged VALUES (?, ?, ?)
ON CONFLICT (instance) DO UPDATE SET created_us = excluded.created_us,
  revision = excluded.revision
"""
_COUNT_QUARANTINED = "SELECT count(*) FROM quarantined"


class ReportState:
    """What the reporter must know after a restart: a SQLite file of the control process.

    It has the acknowledged revisions, the quarantined readings and the portal's epoch. It is
    apart from the readings, so that neither process waits for the other's lock. Its loss
    costs nothing but sending everything again.

    Acknowledgements and the epoch are kept in memory while the disk refuses them.
    They are written in one transaction, so a new epoch never comes with old revisions.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder of its own; `open` comes before everything else."""
        self._path = folder / _FILE
        self._connection: sqlite3.Connection | None = None
        self._acknowledged: dict[str, tuple[int, int]] = {}
        self._unsaved: set[str] = set()
        self._is_epoch_saved = True
        self.epoch = ""  # as the portal last said it
        self.quarantined_count = 0

    def open(self) -> None:
        """Open the file if it is not, and read it; quarantine a damaged one.

        Raises StoreUnwritable, StoreBusy.
        """
        if self._connection is not None:
            return
        if self._path.exists() and (damage := damage_of(self._path)):
            log.error("%s is damaged: %s", self._path, damage)
            quarantine_damaged(self._path.parent)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = connect(self._path, mode="rwc")
        try:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            self._read(connection)
        except sqlite3.Error as error:
            connection.close()
            raise failure_of(error) from error
        self._connection = connection

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def is_saved(self) -> bool:
        """Whether the file has everything."""
        return self._is_epoch_saved and not self._unsaved

    def acknowledged(self, instance: str, created_us: int) -> int:
        """Return the revision that the portal has of a file; 0 of one that is new."""
        created, revision = self._acknowledged.get(instance, (created_us, 0))
        return revision if created == created_us else 0

    def acknowledge(self, instance: str, created_us: int, revision: int) -> None:
        """Note that everything up to a revision has arrived."""
        if self._acknowledged.get(instance) == (created_us, revision):
            return
        self._acknowledged[instance] = (created_us, revision)
        self._unsaved.add(instance)
        self.save()

    def save(self) -> None:
        """Try to write what is only in memory."""
        if self.is_saved:
            return
        with contextlib.suppress(StoreUnwritable, StoreBusy, StoreDamaged):
            with self._transaction() as run:
                for instance in self._unsaved:
                    run(_ACKNOWLEDGE, (instance, *self._acknowledged[instance]))
                run("UPDATE portal SET epoch = ?", (self.epoch,))
            self._unsaved.clear()
            self._is_epoch_saved = True

    def forget(self, instance: str) -> None:
        """Forget an instance of which nothing is left."""
        self._acknowledged.pop(instance, None)
        self._unsaved.discard(instance)
        with (
            contextlib.suppress(StoreUnwritable, StoreBusy, StoreDamaged),
            self._transaction() as run,
        ):
            run("DELETE FROM acknowledged WHERE instance = ?", (instance,))

    def learn_epoch(self, epoch: str) -> None:
        """Keep the portal's first epoch."""
        self.epoch = epoch
        self._is_epoch_saved = False
        self.save()

    def resend_all(self, epoch: str) -> None:
        """Keep a new epoch, and forget what has arrived."""
        for instance, (created_us, _) in self._acknowledged.items():
            self._acknowledged[instance] = (created_us, 0)
        self._unsaved.update(self._acknowledged)
        self.learn_epoch(epoch)

    def quarantine(self, instance: str, texts: Sequence[str]) -> None:
        """Keep readings that the portal rejects, durably.

        Raises StoreUnwritable, StoreBusy.
        """
        with self._transaction() as run:
            for text in texts:
                run(
                    "INSERT OR IGNORE INTO quarantined (instance, reading)"
                    " VALUES (?, ?)",
                    (instance, text),
                )
            (self.quarantined_count,) = run(_COUNT_QUARANTINED).fetchone()
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def quarantined(self) -> list[tuple[int, str, str]]:
        """Return what is quarantined: key, instance and text of each."""
        if self._connection is None:
            return []
        query = "SELECT key, instance, reading FROM quarantined ORDER BY key"
        return list(self._connection.execute(query).fetchall())

    def release(self, key: int) -> None:
        """Remove a reading that the portal has accepted after all."""
        with self._transaction() as run:
            run("DELETE FROM quarantined WHERE key = ?", (key,))
            (self.quarantined_count,) = run(_COUNT_QUARANTINED).fetchone()

    def _read(self, connection: sqlite3.Connection) -> None:
        query = "SELECT instance, created_us, revision FROM acknowledged"
        kept = {
            instance: (created_us, revision)
            for instance, created_us, revision in connection.execute(query)
        }
        (epoch,) = connection.execute("SELECT epoch FROM portal").fetchone()
        if self._is_epoch_saved:
            self.epoch = epoch
        elif epoch not in {"", self.epoch}:
            # The portal was restored since, while the disk refused this file.
            kept = {
                instance: (created_us, 0) for instance, (created_us, _) in kept.items()
            }
            self._unsaved.update(kept)
        self._acknowledged = kept | self._acknowledged
        (self.quarantined_count,) = connection.execute(_COUNT_QUARANTINED).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        if self._connection is None:
            raise StoreUnwritable("the file of the reports is not open")
        with transaction(self._connection):
            yield self._connection.execute


_ABANDONED_SECONDS = 60.0  # a folder hidden for so long belongs to a dead process
_KEEPALIVE_SECONDS = 60.0  # then an empty report asks whether the portal was restored
# Read together, so that readings which change meanwhile are sent as they were. So even an
# edge that is always busy can say that everything up to an instant has arrived.
_MAX_READ = 50_000
_MAX_BATCH = 500  # records in a report; each takes 2 KB as a reading and as JSON
_READING_BYTES = 128  # of a connection, with its part of the indexes


class PortalRestored(Exception):
    """The portal came back from a backup: what is kept must be sent again."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a process can remove of its own readings.

    Those up to the revision `acknowledged` that were written before a time, in seconds
    since 1970.
    """

    acknowledged: int
    before: float


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
        self._state = ReportState(folder.with_name("reports"))
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
            "quarantined_records": self._state.quarantined_count + self._damaged,
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
        self._open_state()
        are_finished = self._finish_dead(is_running)
        self._damaged = len(damaged_in(self._folder))
        try:
            complete_to = self._send_all()
            if complete_to is None:  # the portal was restored
                complete_to = self._send_all()
            is_known = are_finished and is_writable and not self._damaged
            if complete_to and is_known and not self._state.quarantined_count:
                self._complete_to = complete_to
        finally:
            self._state.save()
            self._tidy(is_writable=is_writable and self._state.is_saved)

    def _open_state(self) -> None:
        try:
            self._state.open()
        except (OSError, StoreBusy) as error:
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
        self._quarantine(instance, [to_text(one) for one in readings])
        return True

    def _quarantine(self, instance: str, texts: Sequence[str]) -> None:
        log.error("%d usage records of %s are quarantined.", len(texts), instance)
        self._state.quarantine(instance, texts)

    def _offer_quarantined(self) -> None:
        """Send what is quarantined again: the portal may be a later version now."""
        for key, instance, text in self._state.quarantined():
            reading = read_text(text)
            if reading is not None and self._is_accepted(instance, reading):
                self._state.release(key)
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
        if not known:
            self._state.learn_epoch(epoch)
            return
        self._complete_to = 0.0
        self._state.resend_all(epoch)
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
                if self._remove_if_done(folder, before):
                    continue
                with StoredUsage(folder) as stored:
                    acknowledged = self._forget_lost_revisions(stored)
                    used_bytes += stored.used_bytes()
                    unsent += stored.unsent_count(acknowledged)
                    pruning[folder.name] = Pruning(acknowledged, before)
            except (StoreDamaged, StoreBusy, OSError) as error:
                log.warning("%s cannot be tidied now: %s", folder, error)
        self.pruning = pruning
        self._used_bytes, self._unsent_bytes = used_bytes, unsent * _READING_BYTES
        self._choose_keep_seconds()

    def _remove_if_done(self, folder: Path, before: float) -> bool:
        """Remove a finished instance whose last reading has arrived and is old enough."""
        if folder.name not in self._finished:
            return False
        with StoredUsage(folder) as stored:
            acknowledged = self._forget_lost_revisions(stored)
            is_needed = stored.unsent_count(acknowledged) or stored.written_at >= before
        if is_needed:
            return False
        remove_instance(folder)
        self._finished.discard(folder.name)
        self._state.forget(folder.name)
        return True

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
