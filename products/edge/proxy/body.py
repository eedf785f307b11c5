"""Where a message body ends: by length, by chunks, or by the end of the connection.

Chunks are read strictly and written anew, so that no two readers can differ about them.
"""

import re
from typing import Protocol

from products.protocol import FIELD_VALUE_CHARACTERS, TCHAR

_TOKEN = TCHAR.encode()
_VALUE = FIELD_VALUE_CHARACTERS.encode()
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[%s]{0,256})?\r\n" % _VALUE)
_TRAILER = re.compile(rb"[%s]+:[%s]*\r\n" % (_TOKEN, _VALUE))
_MAX_LINE_BYTES = 512
_MAX_TRAILER_BYTES = 8 * 1024


class BodyMalformed(Exception):
    """The chunks of a body are not well-formed."""


class Body(Protocol):
    """Takes what was received and gives what it means."""

    done: bool

    def feed(self, data: bytes) -> bytes:
        """Give the payload in `data`; what follows the body's end is dropped."""


class Sized:
    """A body of so many bytes."""

    def __init__(self, count: int) -> None:
        """Expect `count` bytes."""
        self._left = count
        self.done = count == 0

    def feed(self, data: bytes) -> bytes:
        """Give the payload in `data`."""
        payload = data[: self._left]
        self._left -= len(payload)
        self.done = self._left == 0
        return payload


class UntilEnd:
    """A body that ends with its connection."""

    done = False

    def feed(self, data: bytes) -> bytes:
        """Give all of `data`."""
        return data


class Chunked:
    """A body in chunks; extensions and trailers are dropped."""

    def __init__(self) -> None:
        """Expect the first chunk's size."""
        self._held = bytearray()
        self._left = 0  # of the chunk, its line end included
        self._in_trailers = False
        self._trailer_bytes = 0
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """Give the payload in `data`. Raises BodyMalformed."""
        self._held += data
        payload = bytearray()
        while not self.done and self._step(payload):
            pass
        return bytes(payload)

    def _step(self, payload: bytearray) -> bool:
        if self._in_trailers:
            return self._read_trailer()
        if self._left:
            return self._read_data(payload)
        line = self._line()
        if line is None:
            return False
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BodyMalformed
        size = int(match[1], 16)
        self._left = size + 2 if size else 0
        self._in_trailers = size == 0
        return True

    def _read_data(self, payload: bytearray) -> bool:
        if not self._held:
            return False
        if self._left > 2:  # noqa: PLR2004 - CR LF
            take = min(self._left - 2, len(self._held))
            payload += self._held[:take]
            del self._held[:take]
            self._left -= take
            return True
        wanted = b"\r\n"[2 - self._left :]
        got = bytes(self._held[: len(wanted)])
        if not wanted.startswith(got):
            raise BodyMalformed
        del self._held[: len(got)]
        self._left -= len(got)
        return True

    def _read_trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line == b"\r\n":
            self.done = True
            return False
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILER_BYTES or not _TRAILER.fullmatch(line):
            raise BodyMalformed
        return True

    def _line(self) -> bytes | None:
        end = self._held.find(b"\n", 0, _MAX_LINE_BYTES)
        if end < 0:
            if len(self._held) >= _MAX_LINE_BYTES:
                raise BodyMalformed
            return None
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        return line


def chunk(payload: bytes) -> bytes:
    """Write a payload as one chunk; an empty one is no end but nothing."""
    return b"%x\r\n%s\r\n" % (len(payload), payload) if payload else b""


LAST_CHUNK = b"0\r\n\r\n"
