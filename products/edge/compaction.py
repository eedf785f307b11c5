"""Makes of acknowledged segments one that holds the last reading of each counter."""

import logging
from dataclasses import dataclass
from pathlib import Path

from products.edge.journal import ConnectionEntry, DeliveryEntry, read_entry
from products.edge.spool import framed, records, write_lasting

log = logging.getLogger(__name__)

_HOUR_NS = 3_600 * 1_000_000_000
_LARGEST_BYTES = 16 * 1024**2  # a compacted segment above it is left to itself


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a spool as it was found."""

    number: int
    path: Path
    size: int
    modified_ns: int  # since 1970


def counter_of(entry: ConnectionEntry | DeliveryEntry) -> tuple[object, ...]:
    """Say what an entry is a reading of: of two with the same answer the later counts."""
    if isinstance(entry, ConnectionEntry):
        return entry.number, entry.month
    return entry.service, entry.hour


class Compactor:
    """Compacts one boot's acknowledged segments, those of an hour into one.

    By the hour, so that each can go when it is old enough.
    """

    def __init__(self) -> None:
        """Begin without knowing which are compacted; doing it again is harmless."""
        self._done: set[int] = set()

    def compact(self, acknowledged: list[Segment]) -> None:
        """Compact what is new among acknowledged segments, the oldest first.

        Where the disk refuses, they stay as they are.
        """
        group: list[Segment] = []
        for segment in acknowledged:
            if group and not self._goes_with(group, segment):
                self._merge(group)
                group = []
            group.append(segment)
        self._merge(group)

    def _goes_with(self, group: list[Segment], segment: Segment) -> bool:
        return (
            group[0].modified_ns // _HOUR_NS == segment.modified_ns // _HOUR_NS
            and sum(one.size for one in group) <= _LARGEST_BYTES
        )

    def _merge(self, group: list[Segment]) -> None:
        if all(one.number in self._done for one in group):
            return
        self._done.update(one.number for one in group)
        try:
            _write_last_readings(group)
        except OSError as error:
            log.warning("Acknowledged segments are not compacted: %s", error)


def _write_last_readings(group: list[Segment]) -> None:
    """Replace the newest by the last readings of all, then remove the others.

    A crash in between leaves a reading in two segments, which changes nothing.
    """
    last: dict[tuple[object, ...], bytes] = {}
    for segment in group:
        for payload, _ in records(segment.path.read_bytes()):
            entry = read_entry(payload)
            if entry is not None:
                last[counter_of(entry)] = payload
    newest = group[-1]
    write_lasting(
        newest.path,
        b"".join(map(framed, last.values())),
        modified_ns=newest.modified_ns,
    )
    for segment in group[:-1]:
        segment.path.unlink()
