"""The journal of usage: append-only segments of `length, crc32, payload` records.

One folder a boot (one run of one process), segments numbered from 1. Both numbers are
big-endian and unsigned, four bytes each; the crc is that of the payload. Writing is one
`write(2)`, so that a killed process loses nothing that was written; `fdatasync` comes
in groups. A reader stops at the first record that is not whole.
"""

import contextlib
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_FRAME = struct.Struct(">II")
_LONGEST = 64 * 1024  # no payload comes near; a longer length is damage
_SUFFIX = ".spool"


class SpoolUnwritable(OSError):
    """The disk takes no more records: no new connection may be accepted."""


def framed(payload: bytes) -> bytes:
    """Give a record as it stands in a segment."""
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def records(data: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Walk the whole records of a segment: each payload and where it ends.

    Stops before the first record that is torn or damaged.
    """
    while start + _FRAME.size <= len(data):
        length, crc = _FRAME.unpack_from(data, start)
        begin = start + _FRAME.size
        # An empty record would pass its crc, and zeros are what a lost page holds.
        if not 0 < length <= _LONGEST or begin + length > len(data):
            return
        payload = data[begin : begin + length]
        if zlib.crc32(payload) != crc:
            return
        start = begin + length
        yield payload, start


def segments(folder: Path) -> list[tuple[int, Path]]:
    """List a boot's segments with their numbers, the oldest first."""
    found = []
    for path in folder.glob("*" + _SUFFIX):
        with contextlib.suppress(ValueError):
            found.append((int(path.stem), path))
    return sorted(found)


def sync_data(path: Path) -> None:
    """Make what any process has written to a file lasting. Blocks; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make new, renamed and removed names in a folder lasting."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_lasting(path: Path, data: bytes, *, modified_ns: int | None = None) -> None:
    """Replace a file so that a crash leaves the old one or the new one.

    `modified_ns` dates it back, in nanoseconds since 1970. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if modified_ns is not None:
            os.utime(beside, ns=(modified_ns, modified_ns))
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)  # a full disk has no room for halves
        raise
    sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(f"{written} of {len(data)} bytes were written")


class Spool:
    """The writing end: one process appends to the newest segment of its boot."""

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        """Open the first segment after those that are there. Raises SpoolUnwritable."""
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._descriptor = -1
        self._size = 0
        self._is_dirty = False
        self._is_taken = True  # the last write was
        self._is_lasting = True  # the last sync was
        self._wants_next = False
        self._syncing = threading.RLock()  # a file is not closed while it is synced
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Else a power cut could take the folder with all that is lasting in it.
            sync_folder(folder.parent.parent)
            sync_folder(folder.parent)
            self._number = max((number for number, _ in segments(folder)), default=0)
            self._next_segment()
        except OSError as error:
            raise SpoolUnwritable(str(error)) from error

    @property
    def is_writable(self) -> bool:
        """Whether the disk took what it was given last, and could make it lasting."""
        return self._is_taken and self._is_lasting

    def append(self, payloads: Iterable[bytes]) -> None:
        """Write records in one go: all of them, or (after an error) none.

        Raises SpoolUnwritable. The next call tries again, in a new segment if need be.
        """
        data = b"".join(map(framed, payloads))
        if not data:
            return
        try:
            if self._wants_next or self._size >= self._segment_bytes:
                self._next_segment()
            _write_all(self._descriptor, data)
        except OSError as error:
            self._is_taken = False
            self._forget_tail()
            raise SpoolUnwritable(str(error)) from error
        self._size += len(data)
        self._is_dirty = self._is_taken = True

    def sync(self) -> None:
        """Make what was written lasting, if anything was. Blocks; raises OSError.

        After an error the spool is not writable until a later call has succeeded.
        """
        with self._syncing:
            if not self._is_dirty or self._descriptor < 0:
                return
            self._is_dirty = False  # first: what is written meanwhile is for next time
            try:
                os.fdatasync(self._descriptor)
            except OSError:
                self._is_dirty = True
                self._is_lasting = False
                raise
            if not self._is_lasting:
                # The system may have dropped what it could not write: a hole, and
                # nobody reads beyond one.
                self._is_lasting = self._wants_next = True

    def close(self) -> None:
        """Make all lasting and let go of the file."""
        with self._syncing:
            with contextlib.suppress(OSError):
                self.sync()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self._wants_next = True

    def _next_segment(self) -> None:
        self.close()
        path = self.folder / f"{self._number + 1:08d}{_SUFFIX}"
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        self._number += 1
        self._size = 0
        sync_folder(self.folder)
        self._wants_next = False

    def _forget_tail(self) -> None:
        """Cut what a failed write left, or leave the segment to its good records."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._wants_next = True
