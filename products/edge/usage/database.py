"""How the edge opens its SQLite files, and what their errors mean.

Both kinds of file are in WAL mode: readers and the writer do not wait for each other.
"""

import contextlib
import functools
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

BUSY_SECONDS = 10.0  # longest wait of a thread for another connection
_RETRY_SECONDS = 0.01


class StoreUnwritable(OSError):
    """The disk accepts no readings: no new connection may be accepted."""


class StoreBusy(Exception):
    """Another connection holds the write lock; it lasts milliseconds, so try again."""


class StoreDamaged(Exception):
    """SQLite cannot read the file."""


def connect(
    path: Path, *, mode: str = "rw", seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """Connect to a SQLite file in WAL mode, whose transactions begin explicitly.

    A connection waits `seconds` for another one's lock. Raises StoreUnwritable,
    StoreDamaged.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=seconds,
            isolation_level=None,
            check_same_thread=False,  # used by one thread at a time
        )
        connection.text_factory = _decoded
        if mode == "rwc":
            _use_wal(connection, seconds)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = OFF")
        if mode == "rw":  # to read everything once, or to clean up
            connection.execute("PRAGMA cache_size = -128")  # KiB
    except sqlite3.Error as error:
        raise failure_of(error) from error
    return connection


def _use_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Switch a new file to WAL mode; SQLite itself does not wait for another opening connection."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = isinstance(failure_of(error), StoreBusy)
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def failure_of(error: Exception) -> Exception:
    """Return the exception that says what a failure of SQLite or the disk means here."""
    if isinstance(error, StoreUnwritable | StoreDamaged | StoreBusy):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(str(error))
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreDamaged(str(error))
    return StoreUnwritable(str(error))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise StoreBusy, StoreDamaged or StoreUnwritable instead of SQLite's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise failure_of(error) from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write what the body writes in one transaction: all of it, or after an error nothing.

    Raises StoreBusy, StoreDamaged or StoreUnwritable instead of SQLite's errors.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        if isinstance(error, sqlite3.Error):
            raise failure_of(error) from error
        raise


def damage_of(path: Path) -> str:
    """Look through a whole SQLite file; "" if it is sound. Takes seconds if it is large.

    Raises StoreUnwritable or StoreBusy if it cannot be read now.
    """
    try:
        with translated(), contextlib.closing(connect(path)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except StoreDamaged as error:
        return str(error)
    return "" if answer == "ok" else str(answer)


@functools.lru_cache(maxsize=4096)  # so that equal texts of many rows take memory once
def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")  # damage must not raise
