"""Ends what a process left that did not end in order: never estimating upwards."""

import logging
import os
from pathlib import Path

from products.edge.journal import ConnectionEntry, read_entry
from products.edge.spool import Spool, records, segments, sync_folder, write_lasting

log = logging.getLogger(__name__)

CLOSED_MARK = "closed"  # in a boot's folder: nothing will be written there any more


def close_boot(folder: Path) -> int:
    """Cut a dead process's torn tails and report its open connections as final.

    The last known values stand. Running it twice, or dying in it, changes nothing more.
    Gives the number of connections ended. Raises OSError.
    """
    if (folder / CLOSED_MARK).exists():
        return 0
    last: dict[int, ConnectionEntry] = {}
    for _, path in segments(folder):
        data = path.read_bytes()
        good = 0
        for payload, good in records(data):  # noqa: B007 - used after the loop
            entry = read_entry(payload)
            if isinstance(entry, ConnectionEntry):
                last[entry.number] = entry
        if good < len(data):
            log.warning("%d bytes of %s are damaged and cut.", len(data) - good, path)
            os.truncate(path, good)
    left = [_ended(entry) for entry in last.values() if not entry.final]
    if left:
        spool = Spool(folder, segment_bytes=1)
        try:
            spool.append(entry.to_payload() for entry in left)
            spool.sync()
        finally:
            spool.close()
    write_lasting(folder / CLOSED_MARK, b"")
    sync_folder(folder)
    return len(left)


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
