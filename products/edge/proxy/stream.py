"""One connection while it is still spoken to in turns: read a head, read some, write."""

import asyncio
import re
from collections.abc import Callable

from products.edge.proxy.transport import underlying_transport
from products.protocol import TCHAR

_NOT_A_REQUEST = re.compile(rb"[^%s]" % TCHAR.encode())
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class HeadTooLarge(Exception):
    """The head did not end within the size allowed."""


class HeadMalformed(Exception):
    """What came cannot become a head, however long one waits."""


class WireClosed(Exception):
    """The peer went, or was too slow, before all had been said."""


class BufferedStream(asyncio.Protocol):
    """A connection with a bounded buffer and at most one reader.

    Above `most_held` bytes reading pauses; nothing is ever thrown away, so what a peer
    sends too early survives in its order.
    """

    __slots__ = (
        "_drained", "_failure", "_full", "_most_held", "_paused", "_reader", "_ready",
        "buffer", "ended", "is_tls", "lost", "on_first", "on_gone", "tap", "transport",
    )  # fmt: skip

    transport: asyncio.Transport
    tap: asyncio.Transport  # what to pause
    is_tls: bool

    def __init__(
        self, most_held: int, ready: Callable[["BufferedStream"], None] | None = None
    ) -> None:
        """Start empty; `ready` is called once the connection stands."""
        self.buffer = bytearray()
        self.ended = False  # the peer will send nothing more
        self.lost = False  # the connection is gone
        self.on_first: Callable[[], None] | None = None  # something to read, or the end
        self.on_gone: Callable[[], None] | None = None
        self._most_held = most_held
        self._ready = ready
        self._paused = False
        self._full = False
        self._failure: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and say so."""
        self.transport = transport  # type: ignore[assignment] # uvloop's own class
        self.is_tls = transport.get_extra_info("ssl_object") is not None
        self.tap = (
            underlying_transport(self.transport) if self.is_tls else self.transport
        )
        if self._ready is not None:
            self._ready(self)
            self._ready = None

    def data_received(self, data: bytes) -> None:
        """Hold what came."""
        self.buffer += data
        if len(self.buffer) > self._most_held and not self._paused:
            self._paused = True
            self.tap.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Note the peer's end; the other direction stays open where it can."""
        self.ended = True
        self._wake()
        self._tell_gone()
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits."""
        self.ended = self.lost = True
        self._failure = self._failure or exc
        self._wake()
        self._free_writer()
        self._tell_gone()
        self.on_gone = None

    def pause_writing(self) -> None:
        """Note that the peer reads more slowly than it is written to."""
        self._full = True

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._full = False
        self._free_writer()

    def fail(self, error: Exception) -> None:
        """Give whoever reads or drains, now or later, an error."""
        self._failure = error
        self._wake()
        self._free_writer()

    async def read_head(self, most_bytes: int) -> bytes:
        """Take a head with its empty line; what follows it stays in the buffer.

        Raises WireClosed, HeadTooLarge, or HeadMalformed as soon as it is certain.
        """
        seen = 0
        while True:
            end = self.buffer.find(b"\r\n\r\n", max(0, seen - 3))
            if end >= 0:
                if end + 4 > most_bytes:
                    raise HeadTooLarge
                return self.take(end + 4)
            if _NOT_A_REQUEST.match(self.buffer) or _BARE_LINE_FEED.search(
                self.buffer, max(0, seen - 1)
            ):
                raise HeadMalformed
            seen = len(self.buffer)
            if seen > most_bytes:
                raise HeadTooLarge
            await self._more()

    async def read_some(self) -> bytes:
        """Take all that is there, waiting for something; empty at the end.

        Raises WireClosed when the connection broke or was given up.
        """
        while not self.buffer:
            if self.ended and self._failure is None:
                return b""
            await self._more()
        return self.take(len(self.buffer))

    def take(self, count: int) -> bytes:
        """Take bytes from the front of the buffer, and read on if that was full."""
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        if self._paused and len(self.buffer) <= self._most_held:
            self._paused = False
            if not self.lost and not self.transport.is_closing():
                self.tap.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Write, and wait while the peer is behind. Raises WireClosed."""
        self._require_open()
        self.transport.write(data)
        if self._full:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
            self._drained = None
            self._require_open()

    def _require_open(self) -> None:
        if self.lost or self._failure is not None:
            raise WireClosed from self._failure

    def resume(self) -> None:
        """Read again before another protocol takes over."""
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.tap.resume_reading()

    @property
    def failure(self) -> Exception | None:
        """Why the connection broke or was given up, None while it was not."""
        return self._failure

    @property
    def is_full(self) -> bool:
        """Whether the peer is behind with reading."""
        return self._full

    async def _more(self) -> None:
        if self._failure is not None:
            raise WireClosed from self._failure
        if self.ended:
            raise WireClosed
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
        if self._failure is not None:
            raise WireClosed from self._failure

    def _wake(self) -> None:
        if self.on_first is not None:
            first, self.on_first = self.on_first, None
            first()
        elif self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _free_writer(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _tell_gone(self) -> None:
        if self.on_gone is not None:
            self.on_gone()
