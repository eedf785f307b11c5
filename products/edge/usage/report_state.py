"""What the reporter must know after a restart: a SQLite file of the control process.

It is apart from the readings, so that neither process waits for the other's lock. Its
loss costs nothing but sending everything again.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from products.edge.usage.database import (
    StoreBusy,
    StoreDamaged,
    StoreUnwritable,
    connect,
    damage_of,
    failure_of,
)
from products.edge.usage.instances import quarantine_damaged

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
    """The acknowledged revisions, the quarantined readings and the portal's epoch.

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
        connection = self._connection
        if connection is None:
            raise StoreUnwritable("the file of the reports is not open")
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection.execute
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            raise failure_of(error) from error
