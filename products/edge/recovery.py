"""Ends what a process left that did not end in order: never estimating upwards."""

import fcntl
import logging
import os
from pathlib import Path

from products.edge.journal import ConnectionEntry, read_entry
from products.edge.spool import Spool, records, segments, sync_folder, write_lasting

log = logging.getLogger(__name__)

CLOSED_MARK = "closed"  # in a boot's folder: nothing will be written there any more
_LOCK = "lock"  # in a boot's folder: its process holds it, and lets go by ending


def hold_boot(folder: Path) -> None:
    """Make a boot's folder, and hold it for as long as this process lives.

    Any other process learns so from the lock, that of another edge too: in a take-over
    two share the spool. Raises OSError.
    """
    # Nobody may find the folder before it is held, or a boot could be closed as it begins.
    beside = folder.with_name(f".{folder.name}")
    beside.mkdir(parents=True, mode=0o700)
    # Never closed; and never inherited, so that it ends with this process.
    descriptor = os.open(beside / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    beside.rename(folder)


def is_held(folder: Path) -> bool:
    """Whether a boot's process lives, and may still write. Raises OSError."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def close_boot(folder: Path) -> int:
    """Cut a dead process's torn tails and report its open connections as final.

    The last known values stand. Running it twice, or dying in it, changes nothing more.
    Gives the number of connections ended. Raises OSError.
    """
    if (folder / CLOSED_MARK).exists():
        return 0
    left = _left_open(folder)
    if left:
        spool = Spool(folder, segment_bytes=1)
        try:
            spool.append(_ended(entry).to_payload() for entry in left)
            spool.sync()
        finally:
            spool.close()
    write_lasting(folder / CLOSED_MARK, b"")
    sync_folder(folder)
    return len(left)


def _left_open(folder: Path) -> list[ConnectionEntry]:
    """Cut torn tails, and list the last reading of every connection without a final one."""
    open_ones: dict[int, ConnectionEntry] = {}
    for _, path in segments(folder):
        data = path.read_bytes()
        good = 0
        for payload, good in records(data):  # noqa: B007 - used after the loop
            entry = read_entry(payload)
            if isinstance(entry, ConnectionEntry):
                # A day of ended ones would fill the memory; nothing follows a final one,
                # which is in the newest of its months.
                if entry.final:
                    open_ones.pop(entry.number, None)
                else:
                    open_ones[entry.number] = entry
        if good < len(data):
            log.warning("%d bytes of %s are damaged and cut.", len(data) - good, path)
            os.truncate(path, good)
    return list(open_ones.values())


def _ended(entry: ConnectionEntry) -> ConnectionEntry:
    return ConnectionEntry(
        number=entry.number,
        service=entry.service,
        month=entry.month,
        started_us=entry.started_us,
        duration_us=entry.duration_us,
        bytes_from_client=entry.bytes_from_client,
        bytes_to_client=entry.bytes_to_client,
        final=True,
    )
