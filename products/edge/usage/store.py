"""The usage store: the latest reading of every counter, in one SQLite file per instance.

An instance is one run of one edge process. Readings are cumulative, so a newer one
replaces the older one, and each takes the next number of a revision counter. What the
portal has not acknowledged is what has a higher revision than the acknowledged one.

Only the instance's own process writes its file while it runs (`UsageStore`). The
control process reads it, and finishes it when that process is dead (`StoredUsage`).
"""

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import msgspec
from msgspec.structs import astuple

from products.edge.files import fsync_directory
from products.edge.usage.database import (
    BUSY_SECONDS,
    StoreBusy,
    StoreDamaged,
    StoreUnwritable,
    connect,
    damage_of,
    failure_of,
    transaction,
    translated,
)
from products.edge.usage.instances import damaged_in, quarantine_damaged
from products.edge.usage.readings import (
    DELIVERY_COLUMNS,
    ConnectionReading,
    DeliveryReading,
    Reading,
    read_values,
)

log = logging.getLogger(__name__)

STORE = "usage.db"
_FORMAT = 1
_PAGE_BYTES = 4096
_MIN_PAGES = 16  # the tables alone take 6
_MAX_WAL_BYTES = 16 * 1024**2  # then the log is started again from its beginning
# Shorter: it holds the write lock while it waits for readers.
_MAINTENANCE_BUSY_SECONDS = 0.5
_PRUNE_ROWS = 1_000  # in one transaction
_PRUNE_SECONDS = 0.2  # in one go, because no checkpoint is made meanwhile
_PRUNE_PAUSE_SECONDS = 0.01  # between two of them, so that readings can be written
_MAX_INTEGER = 2**63 - 1  # of SQLite; larger connection numbers are stored as text

# A row has a reading's fields, then when it was written; in an earlier version's file the order of
# the columns differs, so statements name them. `connection` has a rowid, so
# that its rows are in the order of arrival: HAProxy's numbers are random, and a tick would
# change as many pages as connections are open.
_SCHEMA = f"""
CREATE TABLE connection (
  number, service TEXT NOT NULL, month TEXT NOT NULL, started_us INTEGER NOT NULL,
  duration_us INTEGER NOT NULL, bytes_from_client INTEGER NOT NULL,
  bytes_to_client INTEGER NOT NULL, final INTEGER NOT NULL,
  revision INTEGER NOT NULL, written_at REAL NOT NULL,
  PRIMARY KEY (number, month));
CREATE INDEX connection_revision ON connection (revision);
CREATE TABLE delivery (
  service TEXT NOT NULL, hour TEXT NOT NULL, requests INTEGER NOT NULL,
  bytes_from_client INTEGER NOT NULL, bytes_to_client INTEGER NOT NULL,
  revision INTEGER NOT NULL, written_at REAL NOT NULL,
  PRIMARY KEY (service, hour)) WITHOUT ROWID;
CREATE INDEX delivery_revision ON delivery (revision);
CREATE TABLE note (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE state (
  created_us INTEGER NOT NULL, is_replacement INTEGER NOT NULL,
  is_finished INTEGER NOT NULL, pruned_revision INTEGER NOT NULL,
  pruned_written_at REAL NOT NULL);
PRAGMA user_version = {_FORMAT};
"""

_WRITE_CONNECTION = """
INSERT INTO connection (
  number, service, month, started_us, duration_us, bytes_from_client, bytes_to_client,
  final, revision, written_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number, month) DO UPDATE SET
  duration_us = max(duration_us, excluded.duration_us),
  bytes_from_client = max(bytes_from_client, excluded.bytes_from_client),
  bytes_to_client = max(bytes_to_client, excluded.bytes_to_client),
  final = max(final, excluded.final),
  revision = excluded.revision, written_at = excluded.written_at
"""
_WRITE_DELIVERY = """
INSERT INTO delivery (
  service, hour, requests, bytes_from_client, bytes_to_client, revision, written_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (service, hour) DO UPDATE SET
  requests = max(requests, excluded.requests),
  bytes_from_client = max(bytes_from_client, excluded.bytes_from_client),
  bytes_to_client = max(bytes_to_client, excluded.bytes_to_client),
  revision = excluded.revision, written_at = excluded.written_at
"""
_UNSENT = """
SELECT revision, number, service, month, started_us, duration_us, bytes_from_client,
  bytes_to_client, final
FROM connection WHERE revision > ?1
UNION ALL
SELECT revision, service, hour, requests, bytes_from_client, bytes_to_client, NULL, NULL,
  NULL
FROM delivery WHERE revision > ?1
ORDER BY 1 LIMIT ?2
"""
_UNSENT_COUNT = """
SELECT (SELECT count(*) FROM connection WHERE revision > ?)
     + (SELECT count(*) FROM delivery WHERE revision > ?)
"""
_MONTHS_OF = """
SELECT number, service, month, started_us, duration_us, bytes_from_client,
  bytes_to_client, final
FROM connection WHERE number = ? ORDER BY month
"""
_DELIVERY_OF = """
SELECT service, hour, requests, bytes_from_client, bytes_to_client
FROM delivery WHERE hour = ?
"""
_HAS_ENDED = "SELECT 1 FROM connection WHERE number = ? AND final"
_LAST_REVISION = """
SELECT max(pruned_revision,
  coalesce((SELECT max(revision) FROM connection), 0),
  coalesce((SELECT max(revision) FROM delivery), 0)) FROM state
"""
_WRITTEN_AT = """
SELECT max(
  coalesce((SELECT written_at FROM connection ORDER BY revision DESC LIMIT 1), 0),
  coalesce((SELECT written_at FROM delivery ORDER BY revision DESC LIMIT 1), 0))
"""
# In the order of the rows, without DISTINCT: in the order of the numbers, which are random
# with HAProxy, it takes thirty times as long. A number comes once for each of its months.
_OPEN_NUMBERS = """
SELECT number FROM connection AS one NOT INDEXED
WHERE NOT final AND NOT EXISTS (SELECT 1 FROM connection AS other
                                WHERE other.number = one.number AND other.final)
"""
# A row goes when its connection has ended. The earlier months of one that is open
# stay, because HAProxy counts bytes from a connection's start.
_PRUNABLE_CONNECTIONS = """
SELECT revision, written_at, number, month,
  final OR EXISTS (SELECT 1 FROM connection AS other
                   WHERE other.number = one.number AND other.final)
FROM connection AS one WHERE revision > ? AND revision <= ?
ORDER BY revision LIMIT ?
"""
_PRUNABLE_DELIVERIES = """
SELECT revision, written_at, service, hour FROM delivery
WHERE revision <= ? AND written_at < ?
"""
_DELETE_CONNECTION = (
    "DELETE FROM connection WHERE number = ? AND month = ? AND revision = ?"
)
_DELETE_DELIVERY = (
    "DELETE FROM delivery WHERE service = ? AND hour = ? AND revision = ?"
)
_NOTE_PRUNED = """
UPDATE state SET pruned_revision = max(pruned_revision, ?),
  pruned_written_at = max(pruned_written_at, ?)
"""


_Execute: TypeAlias = Callable[..., sqlite3.Cursor]


@dataclass(frozen=True, slots=True)
class UnsentReadings:
    """Readings to send, in the order of their revisions.

    They are packed until a part of them is sent, because readings take ten times the
    memory. `end` is the revision to acknowledge after the last. `is_all` says that nothing
    else was unsent.
    """

    packed: Sequence[bytes]  # a revision and the values of a reading each
    end: int
    is_all: bool

    def part(self, start: int, count: int) -> "UnsentReadings":
        """Return `count` of them, or as many as there are from `start` on."""
        packed = self.packed[start : start + count]
        return UnsentReadings(packed, _revision_of(packed[-1]), self.is_all)

    def read(self) -> tuple[list[Reading], list[tuple[str]]]:
        """Return the readings, and as texts the rows that are not readings."""
        readings, unreadable = [], []
        for packed in self.packed:
            _, *values = msgspec.msgpack.decode(packed)
            if values[-1] is None:
                del values[DELIVERY_COLUMNS:]
            if (reading := read_values(values)) is not None:
                readings.append(reading)
            else:
                unreadable.append((repr(values),))
        return readings, unreadable


class Pruning(NamedTuple):
    """What a process can remove of its own readings."""

    acknowledged: int  # up to this revision
    before: float  # written before this time, in seconds since 1970


class UsageStore:
    """The file of the instance that this process writes."""

    def __init__(
        self, folder: Path, *, max_bytes: int, is_replacement: bool = False
    ) -> None:
        """Open the file, or create it. Raises StoreUnwritable, StoreDamaged, StoreBusy.

        Waits up to BUSY_SECONDS for another connection. It grows to `max_bytes`. `is_replacement`
        says that a damaged one was quarantined.
        """
        self.folder = folder
        self._path = folder / STORE
        self._has_accepted = True  # the last transaction
        self._is_durable = True  # what the last checkpoint was to make so
        self._is_closing = False
        self._maintaining = threading.Lock()
        self._pruned: Pruning | None = None
        self._connection: sqlite3.Connection | None = None
        # Of the thread that waits for the disk.
        self._maintenance: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Else a power cut could take the folder with everything in it.
            fsync_directory(folder.parent.parent)
            fsync_directory(folder.parent)
            # Nothing is served yet, so it waits for the reporter, which may read the new file.
            self._connection = connect(self._path, mode="rwc")
            self._prepare(self._connection, max_bytes, is_replacement=is_replacement)
            # From now on the loop must never wait: a locked file raises StoreBusy immediately.
            self._connection.execute("PRAGMA busy_timeout = 0")
            fsync_directory(folder)
        except (sqlite3.Error, OSError, StoreDamaged, StoreBusy) as error:
            if self._connection is not None:
                self._connection.close()
            raise failure_of(error) from error

    def _prepare(
        self, connection: sqlite3.Connection, max_bytes: int, *, is_replacement: bool
    ) -> None:
        run = connection.execute
        run("PRAGMA wal_autocheckpoint = 0")  # it would fsync in the event loop
        run(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")
        run(f"PRAGMA max_page_count = {max(_MIN_PAGES, max_bytes // _PAGE_BYTES)}")
        if not run("PRAGMA user_version").fetchone()[0]:
            now_us = time.time_ns() // 1000
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
            values = (now_us, is_replacement)
            run("INSERT INTO state VALUES (?, ?, 0, 0, 0)", values)
            run("COMMIT")
            run("PRAGMA wal_checkpoint(TRUNCATE)")
        (self._revision,) = run(_LAST_REVISION).fetchone()
        (self.created_us, replaced) = run(
            "SELECT created_us, is_replacement FROM state"
        ).fetchone()
        self.is_replacement = bool(replaced)

    @property
    def is_writable(self) -> bool:
        """Whether the last transaction and the last checkpoint succeeded."""
        return self._has_accepted and self._is_durable

    def write(
        self, readings: Iterable[Reading], notes: Mapping[str, str | None] | None = None
    ) -> None:
        """Write readings in one transaction: all of them, or after an error none.

        `notes` are texts of the engine to keep with them, by key; None removes one.
        Raises StoreBusy, or StoreUnwritable until a later call succeeds.
        """
        now = time.time()
        connections, deliveries = [], []
        for revision, one in enumerate(readings, self._revision + 1):
            values = (*astuple(one), revision, now)
            if isinstance(one, DeliveryReading):
                deliveries.append(values)
            elif one.number <= _MAX_INTEGER:
                connections.append(values)
            else:
                connections.append((_stored(one.number), *values[1:]))
        with self._transaction() as connection:
            connection.executemany(_WRITE_CONNECTION, connections)
            if deliveries:
                connection.executemany(_WRITE_DELIVERY, deliveries)
            if notes:
                _write_notes(connection, notes)
        self._revision += len(connections) + len(deliveries)

    def probe(self) -> None:
        """Try whether there is space again. Raises StoreBusy, StoreUnwritable."""
        with self._transaction() as connection:
            # More than a page holds, so that it needs new ones.
            values = ("probe", bytes(2 * _PAGE_BYTES))
            connection.execute("INSERT INTO note VALUES (?, ?)", values)
            connection.execute("DELETE FROM note WHERE key = ?", values[:1])

    def has_ended(self, number: int) -> bool:
        """Say whether a connection has a final reading here. Raises StoreUnwritable."""
        return self._row(_HAS_ENDED, _stored(number)) is not None

    @property
    def forgotten_to(self) -> float:
        """Up to when ended connections may have lost their readings here.

        In seconds since 1970: readings were pruned, or the file replaced a damaged one.
        Raises StoreUnwritable.
        """
        (pruned,) = self._row("SELECT pruned_written_at FROM state")
        replaced = self.created_us / 1_000_000 if self.is_replacement else 0.0
        return max(float(pruned), replaced)

    def maintain(self, pruning: Pruning | None) -> None:
        """Make durable what was written, and remove what the reporter allows.

        Waits for the disk, so it runs in a thread. Raises what `sync` and `prune` raise.
        """
        self.sync()
        if pruning and pruning != self._pruned and self.prune(*pruning):
            self._pruned = pruning

    def sync(self) -> None:
        """Make durable what was written.

        Raises StoreUnwritable; the store is then not writable until a later call
        succeeds.
        """
        with self._maintaining:
            if self._connection is None:
                return
            try:
                run = self._maintenance_connection().execute
                run("PRAGMA wal_checkpoint(PASSIVE)")
                log_file = self._path.with_name(f"{STORE}-wal")
                if log_file.stat().st_size > _MAX_WAL_BYTES:
                    # A write meanwhile raises StoreBusy, for some milliseconds.
                    run("PRAGMA wal_checkpoint(RESTART)")
            except (sqlite3.Error, OSError) as error:
                self._is_durable = False
                raise StoreUnwritable(str(error)) from error
            self._is_durable = True

    def prune(self, acknowledged: int, before: float) -> bool:
        """Remove acknowledged readings of ended connections that are old enough.

        `before` is in seconds since 1970. Returns whether that was all. Takes up to
        0.2 s. Raises StoreUnwritable, StoreBusy, StoreDamaged.
        """
        deadline = time.monotonic() + _PRUNE_SECONDS
        with self._maintaining, translated():
            if self._connection is None:
                return True
            connection = self._maintenance_connection()
            for _ in _prune(connection, acknowledged, before):
                if self._is_closing or time.monotonic() >= deadline:
                    return False
                time.sleep(_PRUNE_PAUSE_SECONDS)
        return True

    def wait_when_busy(self) -> None:
        """From now on wait for another connection, instead of raising StoreBusy.

        For the end of a process, when there is no later to try again.
        """
        self._is_closing = True
        milliseconds = int(BUSY_SECONDS * 1000)
        self._writer().execute(f"PRAGMA busy_timeout = {milliseconds}")

    def close(self, *, is_finished: bool) -> None:
        """Make all durable and close the file; `is_finished` says no one will go on."""
        self._is_closing = True
        with self._maintaining:
            connection, self._connection = self._connection, None
            if connection is None:
                return
            with contextlib.suppress(sqlite3.Error):
                if is_finished:
                    connection.execute("UPDATE state SET is_finished = 1")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if self._maintenance is not None:
                self._maintenance.close()
            connection.close()

    def _row(self, query: str, *values: object) -> Any:
        try:
            return self._writer().execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise StoreUnwritable(str(error)) from error

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnwritable("the store is closed")
        return self._connection

    def _maintenance_connection(self) -> sqlite3.Connection:
        if self._maintenance is None:
            self._maintenance = connect(self._path, seconds=_MAINTENANCE_BUSY_SECONDS)
            self._maintenance.execute("PRAGMA wal_autocheckpoint = 0")
        return self._maintenance

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._writer()
        try:
            with transaction(connection):
                yield connection
        except (StoreDamaged, StoreUnwritable) as error:
            self._has_accepted = False
            raise StoreUnwritable(str(error)) from error
        self._has_accepted = True


class StoredUsage:
    """The file of any instance, as another process or thread reads it.

    Change it only if the instance's process is dead. Every method raises
    StoreDamaged, StoreBusy or StoreUnwritable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection = connect(folder / STORE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @classmethod
    def has_begun(cls, folder: Path) -> bool:
        """Say whether an instance came so far as to create its tables."""
        if not (folder / STORE).exists():
            return False
        with cls(folder) as stored:
            return bool(stored._one("PRAGMA user_version"))

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be written here."""
        return bool(self._one("SELECT is_finished FROM state"))

    @property
    def written_at(self) -> float:
        """When the newest reading was written, in seconds since 1970; 0 without one."""
        return float(self._one(_WRITTEN_AT))

    @property
    def created_us(self) -> int:
        """When the file was created: tells it from one that replaced it."""
        return int(self._one("SELECT created_us FROM state"))

    def revision(self) -> int:
        """Return the revision of the newest reading."""
        return int(self._one(_LAST_REVISION))

    def used_bytes(self) -> int:
        """Return how many bytes are in use; what was pruned is used again."""
        pages = int(self._one("PRAGMA page_count"))
        return (pages - int(self._one("PRAGMA freelist_count"))) * _PAGE_BYTES

    def unsent_count(self, acknowledged: int) -> int:
        """Count the readings after a revision."""
        return int(self._one(_UNSENT_COUNT, acknowledged, acknowledged))

    def unsent(self, acknowledged: int, count: int) -> UnsentReadings:
        """Read up to `count` readings after a revision, the oldest first."""
        with self._reading() as run:
            rows = run(_UNSENT, (acknowledged, count))
            packed = [msgspec.msgpack.encode(row) for row in rows]
        end = _revision_of(packed[-1]) if packed else acknowledged
        return UnsentReadings(packed, end, is_all=len(packed) < count)

    def open_connections(self) -> list[list[ConnectionReading]]:
        """Return the readings of every connection without a final one, month by month."""
        with self._reading() as run:
            numbers = dict.fromkeys(run(_OPEN_NUMBERS))
            rows = [run(_MONTHS_OF, number).fetchall() for number in numbers]
        found = [[read_values(row) for row in months] for months in rows]
        return [
            [one for one in months if isinstance(one, ConnectionReading)]
            for months in found
            if any(months)
        ]

    def ended_among(self, numbers: Iterable[int]) -> set[int]:
        """Return those connections that have a final reading here."""
        run = self._connection.execute
        with translated():  # not in one transaction, because they may be very many
            return {
                one for one in numbers if run(_HAS_ENDED, (_stored(one),)).fetchone()
            }

    def delivery_of(self, hour: str) -> list[DeliveryReading]:
        """Return the readings of ordinary requests in an hour."""
        with self._reading() as run:
            rows = [read_values(row) for row in run(_DELIVERY_OF, (hour,))]
        return [one for one in rows if isinstance(one, DeliveryReading)]

    def notes(self) -> dict[str, str]:
        """Return the engine's texts."""
        with self._reading() as run:
            return dict(run("SELECT key, value FROM note").fetchall())

    def finish(self) -> int:
        """Make the last reading of every open connection final, as it is.

        Returns how many there were; doing it twice changes nothing. Nothing is ever
        estimated upwards.
        """
        query = """UPDATE connection SET final = 1, revision = ?, written_at = ?
                   WHERE number = ? AND month =
                     (SELECT max(month) FROM connection WHERE number = ?)"""
        now = time.time()
        run = self._connection.execute
        with transaction(self._connection):
            (revision,) = run(_LAST_REVISION).fetchone()
            numbers = dict.fromkeys(run(_OPEN_NUMBERS).fetchall())
            for offset, (number,) in enumerate(numbers, start=1):
                run(query, (revision + offset, now, number, number))
            run("UPDATE state SET is_finished = 1")
        return len(numbers)

    def make_durable(self) -> None:
        """Make durable what any process has written to the file. Raises OSError."""
        # The log alone is enough: what is not in it was made durable by a checkpoint.
        descriptor = os.open(self.folder / f"{STORE}-wal", os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _one(self, query: str, *values: object) -> Any:
        with translated():
            return self._connection.execute(query, values).fetchone()[0]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Execute]:
        """Read one state of the file; briefly, because it holds checkpoints back."""
        with translated():
            self._connection.execute("BEGIN")
            try:
                yield self._connection.execute
            finally:
                self._connection.rollback()


def resume_store(folder: Path, *, max_bytes: int) -> UsageStore:
    """Open the file that an earlier process left to go on with, and look through it.

    A damaged one is quarantined and replaced. Takes long if it is large. Raises
    StoreUnwritable, StoreBusy.
    """
    if (folder / STORE).exists() and (damage := damage_of(folder / STORE)):
        log.error("%s is damaged: %s", folder / STORE, damage)
        quarantine_damaged(folder)
    is_replacement = bool(damaged_in(folder.parent, folder.name))
    return UsageStore(folder, max_bytes=max_bytes, is_replacement=is_replacement)


def _prune(
    connection: sqlite3.Connection, acknowledged: int, before: float
) -> Iterator[None]:
    """Remove readings, and pause after each transaction of some."""
    deliveries = connection.execute(_PRUNABLE_DELIVERIES, (acknowledged, before))
    _delete(connection, _DELETE_DELIVERY, deliveries.fetchall())
    after = 0
    while True:
        values = (after, acknowledged, _PRUNE_ROWS)
        rows = connection.execute(_PRUNABLE_CONNECTIONS, values).fetchall()
        # Revisions grow with time, so the first one that is too young ends it.
        old = [row for row in rows if row[1] < before]
        _delete(connection, _DELETE_CONNECTION, [row for row in old if row[4]])
        if len(old) < _PRUNE_ROWS:
            return
        after = rows[-1][0]
        yield


def _delete(
    connection: sqlite3.Connection, statement: str, rows: list[tuple[Any, ...]]
) -> None:
    """Delete rows of (revision, written_at, key, key, ...), unless written again since."""
    if not rows:
        return
    revision, written_at, *_ = max(rows)
    keys = [(first, second, revision) for revision, _, first, second, *_ in rows]
    with transaction(connection):
        connection.executemany(statement, keys)
        connection.execute(_NOTE_PRUNED, (revision, written_at))


def _write_notes(
    connection: sqlite3.Connection, notes: Mapping[str, str | None]
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO note VALUES (?, ?)",
        [(key, value) for key, value in notes.items() if value is not None],
    )
    connection.executemany(
        "DELETE FROM note WHERE key = ?",
        [(key,) for key, value in notes.items() if value is None],
    )


def _revision_of(packed: bytes) -> int:
    return int(msgspec.msgpack.decode(packed)[0])


def _stored(number: int) -> int | str:
    """Return a connection's number as it is stored: HAProxy's have 96 bits."""
    return number if number <= _MAX_INTEGER else str(number)
