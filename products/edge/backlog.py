"""One boot's records that the portal has not acknowledged yet, read in batches."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from products.edge.compaction import Compactor, Segment, counter_of
from products.edge.journal import ConnectionEntry, DeliveryEntry, read_entry
from products.edge.recovery import CLOSED_MARK
from products.edge.spool import (
    framed,
    records,
    segments,
    sync_data,
    sync_folder,
    write_lasting,
)

Entry = ConnectionEntry | DeliveryEntry

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

    entries: tuple[Entry, ...]
    end: Position


class Backlog:
    """What of a boot's folder is still to be sent."""

    def __init__(self, folder: Path) -> None:
        """Read a folder that a spool writes, or has written."""
        self.folder = folder
        self._position = _read_position(folder / _POSITION)
        self.is_saved = True  # the position, on the disk
        self._compactor = Compactor()
        for left in folder.glob(".*.spool.*"):
            left.unlink(missing_ok=True)  # of a compaction that was killed

    def end(self) -> Position:
        """Say where the records end that are written by now, and make them lasting.

        Else a power cut could take back what the portal has been told. Where the disk
        refuses, it is told all the same.
        """
        found = segments(self.folder)
        if not found:
            return Position()
        number, path = found[-1]  # a spool makes the others lasting as it goes on
        end = Position(number, path.stat().st_size)
        if end > self._position:
            with contextlib.suppress(OSError):
                sync_data(path)
        return end

    def next_batch(self, most: int, until: Position) -> Batch | None:
        """Gather up to `most` readings of one segment; None when all `until` there is sent.

        Many readings of one counter become one, for they are cumulative. Where a
        segment is damaged, what follows in it is skipped once there is a later one.
        """
        position = self._position
        for number, path in segments(self.folder):
            if number < position.segment:
                continue
            offset = position.offset if number == position.segment else 0
            if Position(number, offset) >= until:
                return None
            batch = _gather(number, path.read_bytes(), offset, most)
            if batch.end.offset > offset:
                return batch
        return None

    def acknowledge(self, end: Position) -> None:
        """Remember that everything before a position has arrived.

        In memory alone where the disk refuses: `is_saved` says so.
        """
        self._position = end
        self.is_saved = False
        self.save()

    def save(self) -> None:
        """Try to write the position down, unless it is."""
        if self.is_saved:
            return
        at = self._position
        document = json.dumps({"segment": at.segment, "offset": at.offset})
        with contextlib.suppress(OSError):
            write_lasting(self.folder / _POSITION, document.encode())
            self.is_saved = True

    def start_again(self) -> None:
        """Forget what was acknowledged, lastingly. Raises OSError."""
        (self.folder / _POSITION).unlink(missing_ok=True)
        sync_folder(self.folder)
        self._position = Position()
        self.is_saved = True

    def refused(self) -> list[Entry]:
        """List what was set aside."""
        path = self.folder / _SET_ASIDE
        data = path.read_bytes() if path.exists() else b""
        entries = [read_entry(payload) for payload, _ in records(data)]
        return [entry for entry in entries if entry is not None]

    def set_aside(self, entries: Sequence[Entry]) -> None:
        """Keep readings that the portal cannot read, the last of each counter.

        Raises OSError.
        """
        last = {counter_of(entry): entry for entry in [*self.refused(), *entries]}
        self.set_aside_only(list(last.values()))

    def set_aside_only(self, entries: Sequence[Entry]) -> None:
        """Forget all that was set aside but these. Raises OSError."""
        path = self.folder / _SET_ASIDE
        if entries:
            write_lasting(path, b"".join(framed(one.to_payload()) for one in entries))
        else:
            path.unlink(missing_ok=True)

    def waiting_bytes(self) -> int:
        """Say how many bytes are not acknowledged."""
        position = self._position
        waiting = 0
        for number, path in segments(self.folder):
            if number >= position.segment:
                waiting += path.stat().st_size
            if number == position.segment:
                waiting -= position.offset
        return max(0, waiting)

    def acknowledged(self) -> list[Segment]:
        """List the segments that have arrived whole, the oldest first.

        The newest is one of them only when nothing more is written after it.
        """
        position = self._position
        is_closed = (self.folder / CLOSED_MARK).exists()
        found = []
        for number, path in segments(self.folder):
            state = path.stat()
            if number < position.segment or (
                is_closed
                and number == position.segment
                and state.st_size <= position.offset
            ):
                found.append(Segment(number, path, state.st_size, state.st_mtime_ns))
        return found

    def compact(self) -> None:
        """Reduce what has arrived to the last reading of each counter in an hour."""
        if self.is_saved:  # else a restart would look for its place in another file
            last = self._position.segment
            self._compactor.compact(
                [one for one in self.acknowledged() if one.number < last]
            )

    def prune(self, before: float) -> bool:
        """Remove acknowledged segments last written before a time (seconds since 1970).

        True when nothing is left of a boot that has ended, the folder included.
        """
        for segment in self.acknowledged():
            if segment.modified_ns < before * 1_000_000_000:
                segment.path.unlink()
        is_closed = (self.folder / CLOSED_MARK).exists()
        is_needed = segments(self.folder) or (self.folder / _SET_ASIDE).exists()
        if is_needed or not is_closed:
            return False
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()
        return True


def _read_position(path: Path) -> Position:
    try:
        document = json.loads(path.read_bytes())
        return Position(int(document["segment"]), int(document["offset"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Position()  # sending again does no harm


def _gather(number: int, data: bytes, offset: int, most: int) -> Batch:
    last: dict[tuple[object, ...], Entry] = {}
    for payload, end in records(data, offset):
        entry = read_entry(payload)
        if entry is not None:
            key = counter_of(entry)
            if key not in last and len(last) >= most:
                break
            last[key] = entry
        offset = end
    return Batch(tuple(last.values()), Position(number, offset))
