"""What an agent before has written of a boot: who is open, and what has ended.

A day of a busy edge is millions of records: no more of them is held than is needed.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from products.edge.haproxy.ended import Ended
from products.edge.journal import (
    ConnectionEntry,
    DeliveryEntry,
    hour_of,
    read_entry,
)
from products.edge.spool import records, segments


def open_connections(
    folder: Path, ended: Ended
) -> dict[int, Mapping[str, ConnectionEntry]]:
    """Give the last readings of those that are open, by number and month.

    `ended` learns of the others. Takes long for a large spool; raises OSError.
    """
    found: dict[int, dict[str, ConnectionEntry]] = {}
    kept = segments(folder)
    if kept and kept[0][0] > 1:  # earlier ones are gone, with the ends in them
        ended.forget_to(monotonic_of(kept[0][1].stat().st_mtime_ns // 1000))
    for _, path in kept:
        for payload, _ in records(path.read_bytes()):
            entry = read_entry(payload)
            if not isinstance(entry, ConnectionEntry):
                continue
            if entry.final:
                found.pop(entry.number, None)
                ended.add(
                    entry.number, monotonic_of(entry.started_us + entry.duration_us)
                )
            elif entry.number not in ended:  # compaction may leave a reading twice
                found.setdefault(entry.number, {})[entry.month] = entry
    return dict(found)


def delivered_this_hour(folder: Path, now_us: int) -> list[DeliveryEntry]:
    """List the last readings of ordinary HTTP in the current hour."""
    this_hour = hour_of(now_us)
    last: dict[str, DeliveryEntry] = {}
    for _, path in segments(folder):
        if hour_of(path.stat().st_mtime_ns // 1000) < this_hour:
            continue  # it holds earlier hours alone
        for payload, _ in records(path.read_bytes()):
            entry = read_entry(payload)
            if isinstance(entry, DeliveryEntry) and entry.hour == this_hour:
                last[entry.service] = entry
    return list(last.values())


def monotonic_of(wall_us: int) -> int:
    """Give the monotonic clock's nanoseconds at an instant that has been."""
    ago_ns = max(0, time.time_ns() - wall_us * 1000)
    return time.monotonic_ns() - ago_ns
