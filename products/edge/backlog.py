"""One boot's records that the portal has not acknowledged yet, read in batches."""

import json
from dataclasses import dataclass
from pathlib import Path

from products.edge.contract import ConnectionRecord, DeliveryRecord
from products.edge.journal import ConnectionEntry, DeliveryEntry, read_entry
from products.edge.recovery import CLOSED_MARK
from products.edge.spool import framed, records, segments, write_lasting

_POSITION = "position.json"
_SET_ASIDE = "refused.records"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a boot's segments: everything before it is acknowledged."""

    segment: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings to send, the last of each counter, and where the next batch begins."""

    entries: tuple[ConnectionEntry | DeliveryEntry, ...]
    end: Position

    def connections(self, edge: str, boot: str) -> tuple[ConnectionRecord, ...]:
        """Give the connections as the portal takes them."""
        return tuple(
            entry.to_record(edge, boot)
            for entry in self.entries
            if isinstance(entry, ConnectionEntry)
        )

    def delivery(self) -> tuple[DeliveryRecord, ...]:
        """Give the delivery counters as the portal takes them."""
        return tuple(
            entry.to_record()
            for entry in self.entries
            if isinstance(entry, DeliveryEntry)
        )


class Backlog:
    """What of a boot's folder is still to be sent."""

    def __init__(self, folder: Path) -> None:
        """Read a folder that a spool writes, or has written."""
        self.folder = folder

    def next_batch(self, most: int) -> Batch | None:
        """Gather up to `most` readings of one segment; None when nothing is left.

        Many readings of one counter become one, for they are cumulative. Where a
        segment is damaged, what follows in it is skipped once there is a later one.
        """
        position = self._position()
        for number, path in segments(self.folder):
            if number < position.segment:
                continue
            offset = position.offset if number == position.segment else 0
            batch = _gather(number, path.read_bytes(), offset, most)
            if batch.end.offset > offset:
                return batch
        return None

    def acknowledge(self, end: Position) -> None:
        """Remember that everything before a position has arrived."""
        document = {"segment": end.segment, "offset": end.offset}
        write_lasting(self.folder / _POSITION, json.dumps(document).encode())

    def start_again(self) -> None:
        """Forget what was acknowledged."""
        (self.folder / _POSITION).unlink(missing_ok=True)

    def set_aside(self, batch: Batch) -> None:
        """Keep records that the portal cannot read, for a person to look at."""
        with (self.folder / _SET_ASIDE).open("ab") as file:
            file.writelines(framed(entry.to_payload()) for entry in batch.entries)

    def waiting_bytes(self) -> int:
        """Say how many bytes are not acknowledged."""
        position = self._position()
        waiting = 0
        for number, path in segments(self.folder):
            if number >= position.segment:
                waiting += path.stat().st_size
            if number == position.segment:
                waiting -= position.offset
        return max(0, waiting)

    def prune(self, before: float) -> bool:
        """Remove acknowledged segments last written before a time (seconds since 1970).

        True when nothing is left of a boot that has ended, the folder included.
        """
        position = self._position()
        is_closed = (self.folder / CLOSED_MARK).exists()
        found = segments(self.folder)
        for number, path in list(found):
            state = path.stat()
            is_read = number < position.segment or (
                is_closed
                and number == position.segment
                and state.st_size <= position.offset
            )
            if is_read and state.st_mtime < before:
                path.unlink()
                found.remove((number, path))
        if found or not is_closed or (self.folder / _SET_ASIDE).exists():
            return False
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()
        return True

    def _position(self) -> Position:
        try:
            document = json.loads((self.folder / _POSITION).read_bytes())
            return Position(int(document["segment"]), int(document["offset"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Position()  # sending again does no harm


def _gather(number: int, data: bytes, offset: int, most: int) -> Batch:
    last: dict[tuple[object, ...], ConnectionEntry | DeliveryEntry] = {}
    for payload, end in records(data, offset):
        entry = read_entry(payload)
        if entry is not None:
            key = _counter(entry)
            if key not in last and len(last) >= most:
                break
            last[key] = entry
        offset = end
    return Batch(tuple(last.values()), Position(number, offset))


def _counter(entry: ConnectionEntry | DeliveryEntry) -> tuple[object, ...]:
    if isinstance(entry, ConnectionEntry):
        return entry.number, entry.month
    return entry.service, entry.hour
