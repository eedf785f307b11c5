"""The usage store: the latest reading of every counter, in one SQLite file per instance.

An instance is one run of one edge process. Readings are cumulative, so a newer one
replaces the older one, and each takes the next number of a revision counter. What the
portal has not acknowledged is what has a higher revision than the acknowledged one.

Only the instance's own process writes readings while it runs (`UsageStore`). The control
process reads and prunes them, and finishes a file when its process is dead
(`StoredUsage`). Files are in WAL mode: readers and the writer do not wait for each other.
"""

import contextlib
import functools
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from msgspec.structs import astuple

from products.edge.files import make_durable
from products.edge.usage.instances import damaged_in, quarantine_damaged
from products.edge.usage.readings import (
    ConnectionReading,
    DeliveryReading,
    Reading,
    read_values,
)

STORE = "usage.db"
_PAGE_BYTES = 4096
_MAX_WAL_BYTES = 16 * 1024**2  # then the log is started again from its beginning
_BUSY_SECONDS = 10.0  # longest wait of a thread for another connection
# Shorter: a checkpoint holds the write lock while it waits for readers.
_CHECKPOINT_BUSY_SECONDS = 0.5
_PRUNE_ROWS = 1_000  # in one transaction
_PRUNE_SECONDS = 1.0  # in one go, because nothing is reported meanwhile
_PRUNE_PAUSE_SECONDS = 0.01  # between two of them, so that readings can be written
_MAX_INTEGER = 2**63 - 1  # of SQLite; larger connection numbers are stored as text

# A row has a reading's fields, then when it was written; in an earlier version's file the order of
# the columns differs, so statements name them. `connection` has a rowid, so
# that its rows are in the order of arrival: HAProxy's numbers are random, and a tick would
# change as many pages as connections are open.
_SCHEMA = """
BEGIN;
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
  pruned_revision INTEGER NOT NULL, pruned_written_at REAL NOT NULL);
"""

_CONNECTION = ", ".join(ConnectionReading.__struct_fields__)
_DELIVERY = ", ".join(DeliveryReading.__struct_fields__)
_WRITE_CONNECTION = f"""
INSERT INTO connection ({_CONNECTION}, revision, written_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number, month) DO UPDATE SET
  duration_us = max(duration_us, excluded.duration_us),
  bytes_from_client = max(bytes_from_client, excluded.bytes_from_client),
  bytes_to_client = max(bytes_to_client, excluded.bytes_to_client),
  final = max(final, excluded.final),
  revision = excluded.revision, written_at = excluded.written_at
"""  # noqa: S608
_WRITE_DELIVERY = f"""
INSERT INTO delivery ({_DELIVERY}, revision, written_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (service, hour) DO UPDATE SET
  requests = requests + excluded.requests,
  bytes_from_client = bytes_from_client + excluded.bytes_from_client,
  bytes_to_client = bytes_to_client + excluded.bytes_to_client,
  revision = excluded.revision, written_at = excluded.written_at
"""  # noqa: S608
_UNSENT = f"""
SELECT revision, {_CONNECTION} FROM connection WHERE revision > ?1
UNION ALL
SELECT revision, {_DELIVERY}, NULL, NULL, NULL FROM delivery WHERE revision > ?1
ORDER BY 1 LIMIT ?2
"""  # noqa: S608
_UNSENT_COUNT = """
SELECT (SELECT count(*) FROM connection WHERE revision > ?1)
     + (SELECT count(*) FROM delivery WHERE revision > ?1)
"""
_HAS_ENDED = "SELECT count(*) FROM connection WHERE number = ? AND final"
# The newest reading, also if it was pruned: its revision, and when it was written.
_NEWEST = """
SELECT revision, written_at FROM connection UNION ALL
SELECT revision, written_at FROM delivery UNION ALL
SELECT pruned_revision, pruned_written_at FROM state
ORDER BY 1 DESC LIMIT 1
"""
# The latest months of what has not ended, with the bytes of the months before. In the order of
# the rows: in that of the numbers, which are random with HAProxy, it takes thirty times as long.
_OPEN = f"""
SELECT rowid, {_CONNECTION},
  (SELECT coalesce(sum(bytes_from_client), 0) FROM connection AS other
   WHERE other.number = one.number AND other.month < one.month),
  (SELECT coalesce(sum(bytes_to_client), 0) FROM connection AS other
   WHERE other.number = one.number AND other.month < one.month)
FROM connection AS one NOT INDEXED
WHERE NOT final AND NOT EXISTS (
  SELECT 1 FROM connection AS other
  WHERE other.number = one.number AND (other.final OR other.month > one.month))
"""  # noqa: S608
_FINISH = """
UPDATE connection SET final = 1, revision = ?, written_at = ? WHERE rowid = ?
"""
# A row goes when its connection has ended. The earlier months of one that is open
# stay, because HAProxy counts bytes from a connection's start.
_PRUNABLE = """
SELECT revision, written_at,
  final OR EXISTS (SELECT 1 FROM connection AS other
                   WHERE other.number = one.number AND other.final)
FROM connection AS one WHERE revision > ?1 AND revision <= ?2
UNION ALL
SELECT revision, written_at, 1 FROM delivery WHERE revision > ?1 AND revision <= ?2
ORDER BY 1 LIMIT ?3
"""
_NOTE_PRUNED = """
UPDATE state SET pruned_revision = max(pruned_revision, ?),
  pruned_written_at = max(pruned_written_at, ?)
"""

Row: TypeAlias = tuple[Any, ...]  # a revision, then the values of a reading


class StoreUnwritable(OSError):
    """The store does not work now: no new connection may be accepted."""


class StoreBusy(StoreUnwritable):
    """Another connection holds the write lock; it lasts milliseconds, so try again."""


class StoreDamaged(StoreUnwritable):
    """SQLite cannot read the file, or it is not a usage store."""


_KINDS = {
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
    sqlite3.SQLITE_ERROR: StoreDamaged,  # it does not have the tables
}


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise StoreBusy, StoreDamaged or StoreUnwritable instead of SQLite's errors."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise _KINDS.get(code, StoreUnwritable)(str(error)) from error


def connect(
    path: Path, *, mode: str = "rw", seconds: float = _BUSY_SECONDS
) -> sqlite3.Connection:
    """Connect to a SQLite file, whose transactions begin explicitly.

    A connection waits `seconds` for another one's lock. Raises StoreUnwritable.
    """
    with translated():
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=seconds,
            isolation_level=None,
            check_same_thread=False,  # used by one thread at a time
        )
        connection.text_factory = _decoded
        connection.execute("PRAGMA synchronous = NORMAL")
        # A transaction would fsync, in the event loop too. `UsageStore.sync` does it.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA secure_delete = OFF")
        # KiB: enough to read everything once, or to clean up.
        connection.execute("PRAGMA cache_size = -128")
    return connection


@functools.lru_cache(maxsize=4096)  # so that equal texts of many rows take memory once
def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")  # damage must not raise


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write what the body writes in one transaction: all of it, or after an error nothing."""
    with translated():
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            raise


def check_store(path: Path) -> None:
    """Look through a whole file. Takes seconds if it is large.

    Raises StoreDamaged, and StoreUnwritable if it cannot be read now.
    """
    with translated(), contextlib.closing(connect(path)) as connection:
        connection.execute(_NEWEST)
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise StoreDamaged(str(answer))


class StoredConnection(NamedTuple):
    """A connection that is open, as far as the store knows."""

    latest: ConnectionReading  # in its latest month
    earlier_from: int  # bytes of the months before
    earlier_to: int


class StoredUsage(contextlib.AbstractContextManager["StoredUsage"]):
    """The file of any instance, as another process or thread reads and prunes it.

    Every method raises StoreDamaged, StoreBusy or StoreUnwritable.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / STORE
        self._connection = connect(self._path)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def created_us(self) -> int:
        """When the file was created: tells it from one that replaced it."""
        return int(self._value("SELECT created_us FROM state"))

    def newest(self) -> tuple[int, float]:
        """Return the newest reading's revision, and when it was written since 1970."""
        ((revision, written_at),) = self._rows(_NEWEST)
        return revision, written_at

    def used_bytes(self) -> int:
        """Return how many bytes are in use; what was pruned is used again."""
        pages = int(self._value("PRAGMA page_count"))
        free = int(self._value("PRAGMA freelist_count"))
        return (pages - free) * _PAGE_BYTES

    def unsent_count(self, acknowledged: int) -> int:
        """Count the readings after a revision."""
        return int(self._value(_UNSENT_COUNT, acknowledged))

    def unsent(self, acknowledged: int, count: int) -> list[Row]:
        """Read up to `count` readings after a revision, the oldest first."""
        return self._rows(_UNSENT, acknowledged, count)

    def open_connections(self) -> list[StoredConnection]:
        """Return every connection without a final reading."""
        return [
            StoredConnection(reading, *row[-2:])
            for row in self._rows(_OPEN)
            if isinstance(reading := read_values(row[1:-2]), ConnectionReading)
        ]

    def notes(self) -> dict[str, str]:
        """Return the engine's texts."""
        return dict(self._rows("SELECT key, value FROM note"))

    def finish(self) -> int:
        """Make the last reading of every open connection final, as it is.

        Only if the instance's process is dead. Returns how many there were; doing it twice
        changes nothing. Nothing is ever estimated upwards.
        """
        (revision, _), now = self.newest(), time.time()
        rows = [
            (after, now, row[0])
            for after, row in enumerate(self._rows(_OPEN), revision + 1)
        ]
        if rows:
            with _transaction(self._connection):
                self._connection.executemany(_FINISH, rows)
        return len(rows)

    def prune(self, acknowledged: int, before: float) -> None:
        """Remove acknowledged readings of ended connections that are old enough.

        `before` is in seconds since 1970. Takes about a second at most; the next call goes on.
        """
        deadline = time.monotonic() + _PRUNE_SECONDS
        after = 0
        while True:
            rows = self._rows(_PRUNABLE, after, acknowledged, _PRUNE_ROWS)
            # Revisions grow with time, so the first one that is too young ends it.
            old = [row for row in rows if row[1] < before]
            if gone := [row for row in old if row[2]]:
                # By revision: a reading that was written again has a new one.
                revisions = [row[:1] for row in gone]
                with _transaction(self._connection):
                    run = self._connection.executemany
                    run("DELETE FROM connection WHERE revision = ?", revisions)
                    run("DELETE FROM delivery WHERE revision = ?", revisions)
                    self._connection.execute(_NOTE_PRUNED, gone[-1][:2])
            if len(old) < _PRUNE_ROWS or time.monotonic() >= deadline:
                return
            after = rows[-1][0]
            time.sleep(_PRUNE_PAUSE_SECONDS)

    def make_durable(self) -> None:
        """Make durable what any process has written to the file. Raises OSError."""
        # The log alone is enough: what is not in it was made durable by a checkpoint.
        make_durable(self._path.with_name(f"{STORE}-wal"))

    def _rows(self, query: str, *values: object) -> list[Row]:
        with translated():
            return self._connection.execute(query, values).fetchall()

    def _value(self, query: str, *values: object) -> Any:
        return self._rows(query, *values)[0][0]


class UsageStore(StoredUsage):
    """The file of the instance that this process writes."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """Open the file that an earlier process left, or create it. Raises OSError.

        It is looked through first, which takes long if it is large; a damaged one is
        quarantined and replaced. It grows to `max_bytes`.
        """
        path = folder / STORE
        self._has_accepted = True  # the last transaction
        self._is_durable = True  # what the last checkpoint was to make so
        self._is_closed = False
        self._syncing = threading.Lock()
        try:
            if path.exists():
                check_store(path)
        except StoreDamaged as error:
            quarantine_damaged(folder, error)
        if not path.exists():
            _create(path)
        super().__init__(folder)
        # Of the thread that waits for the disk.
        self._checkpoints = connect(path, seconds=_CHECKPOINT_BUSY_SECONDS)
        with translated():
            run = self._connection.execute
            run("PRAGMA cache_size = -2000")  # KiB
            run(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")
            run(f"PRAGMA max_page_count = {max_bytes // _PAGE_BYTES}")
            self._revision, _ = self.newest()
            self.is_replacement = bool(self._value("SELECT is_replacement FROM state"))
            # From now on the loop must never wait: a locked file raises StoreBusy immediately.
            run("PRAGMA busy_timeout = 0")

    @property
    def is_writable(self) -> bool:
        """Whether the last transaction and the last checkpoint succeeded."""
        return self._has_accepted and self._is_durable

    def write(
        self, readings: Iterable[Reading], notes: Mapping[str, str] | None = None
    ) -> None:
        """Write readings in one transaction: all of them, or after an error none.

        Those of connections are cumulative; those of ordinary requests are added up.
        `notes` are texts of the engine to keep with them, by key; "" removes one.
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
                connection.executemany(
                    "INSERT OR REPLACE INTO note VALUES (?, ?)", notes.items()
                )
                connection.execute("DELETE FROM note WHERE value = ''")
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
        return bool(self._value(_HAS_ENDED, _stored(number)))

    @property
    def forgotten_to(self) -> float:
        """Up to when ended connections may have lost their readings here.

        In seconds since 1970: readings were pruned, or the file replaced a damaged one.
        Raises StoreUnwritable.
        """
        return float(self._value("SELECT pruned_written_at FROM state"))

    def sync(self) -> None:
        """Make durable what was written. Waits for the disk, so it runs in a thread.

        Raises OSError; the store is then not writable until a later call succeeds.
        """
        with self._syncing:
            if self._is_closed:
                return
            try:
                with translated():
                    run = self._checkpoints.execute
                    run("PRAGMA wal_checkpoint(PASSIVE)")
                    log_file = self._path.with_name(f"{STORE}-wal")
                    if log_file.stat().st_size > _MAX_WAL_BYTES:
                        # A write meanwhile raises StoreBusy, for some milliseconds.
                        run("PRAGMA wal_checkpoint(RESTART)")
            except OSError:
                self._is_durable = False
                raise
            self._is_durable = True

    def wait_when_busy(self) -> None:
        """From now on wait for another connection, instead of raising StoreBusy.

        For the end of a process, when there is no later to try again.
        """
        milliseconds = int(_BUSY_SECONDS * 1000)
        self._connection.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def close(self) -> None:
        """Make all durable and close the file."""
        with self._syncing:
            self._is_closed = True
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._checkpoints.close()
            super().close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with _transaction(self._connection):
                yield self._connection
        except StoreBusy:
            raise
        except StoreUnwritable:
            self._has_accepted = False
            raise
        self._has_accepted = True


def _create(path: Path) -> None:
    """Create a file; it has another name until it is complete."""
    folder = path.parent
    is_replacement = bool(damaged_in(folder.parent, folder.name))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Else a power cut could take the folder with everything in it.
    make_durable(folder.parent.parent)
    make_durable(folder.parent)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with translated(), contextlib.closing(connect(new, mode="rwc")) as connection:
        connection.executescript(_SCHEMA)
        now = time.time()
        values = (int(now * 1_000_000), is_replacement, now if is_replacement else 0)
        connection.execute("INSERT INTO state VALUES (?, ?, 0, ?)", values)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    new.rename(path)
    make_durable(folder)


def _stored(number: int) -> int | str:
    """Return a connection's number as it is stored: HAProxy's have 96 bits."""
    return number if number <= _MAX_INTEGER else str(number)
