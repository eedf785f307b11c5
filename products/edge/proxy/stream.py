"""A connection as a stream: read a head, read bytes, write; until a tunnel takes over."""

import asyncio
import gc
import logging
import re

from products.protocol import TCHAR

log = logging.getLogger(__name__)

_NOT_A_TOKEN = re.compile(b"[^%s]" % TCHAR.encode())
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class HeadTooLarge(Exception):
    """The head is larger than allowed."""


class HeadMalformed(Exception):
    """The bytes cannot become a head, whatever follows."""


class StreamClosed(Exception):
    """The connection ended or timed out before the operation was complete."""


class BufferedStream(asyncio.Protocol):
    """A connection with a bounded buffer and at most one reader.

    Above `max_buffered` bytes reading pauses. Nothing is dropped, so what a peer sends too
    early keeps its order.
    """

    __slots__ = (
        "_drained", "_is_full", "_is_paused", "_max_buffered", "_reader", "buffer", "ended",
        "failure", "is_tls", "lost", "transport", "underlying",
    )  # fmt: skip

    transport: asyncio.Transport
    underlying: asyncio.Transport  # where reading is paused: the transport below TLS
    is_tls: bool

    def __init__(self, max_buffered: int) -> None:
        self.buffer = bytearray()
        self.ended = False  # the peer will send nothing more
        self.lost = False  # the connection is gone
        self.failure: Exception | None = (
            None  # why the connection broke or was given up
        )
        self._max_buffered = max_buffered
        self._is_paused = False
        self._is_full = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # uvloop has its own class
        self.is_tls = transport.get_extra_info("ssl_object") is not None
        self.underlying = (
            underlying_transport(self.transport) if self.is_tls else self.transport
        )

    def data_received(self, data: bytes) -> None:
        """Buffer the data, and pause reading when the buffer is full."""
        self.buffer += data
        if len(self.buffer) > self._max_buffered and not self._is_paused:
            self._is_paused = True
            self.underlying.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """Note the peer's end; without TLS the other direction stays open."""
        self.ended = True
        self._wake_reader()
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail reads and writes that wait."""
        self.ended = self.lost = True
        self.failure = self.failure or exc
        self._wake_reader()
        self._wake_writer()

    def pause_writing(self) -> None:
        """Note that the peer reads more slowly than the edge writes."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let a waiting writer go on."""
        self._is_full = False
        self._wake_writer()

    def fail(self, error: Exception) -> None:
        """Make the current and all later reads and writes raise StreamClosed."""
        self.failure = error
        self._wake_reader()
        self._wake_writer()

    async def read_head(self, max_bytes: int) -> bytes:
        """Take a head with its empty line; what follows it stays in the buffer.

        Raises StreamClosed, HeadTooLarge, or HeadMalformed as soon as it is certain.
        """
        seen = 0
        while True:
            end = self.buffer.find(b"\r\n\r\n", max(0, seen - 3))
            if end >= 0:
                if end + 4 > max_bytes:
                    raise HeadTooLarge
                return self._take(end + 4)
            if _NOT_A_TOKEN.match(self.buffer) or _BARE_LINE_FEED.search(
                self.buffer, max(0, seen - 1)
            ):
                raise HeadMalformed
            seen = len(self.buffer)
            if seen > max_bytes:
                raise HeadTooLarge
            await self._wait_for_data()

    async def read_some(self) -> bytes:
        """Take everything in the buffer, waiting for data; empty at the end.

        Raises StreamClosed when the connection broke or timed out.
        """
        while not self.buffer:
            if self.ended and self.failure is None:
                return b""
            await self._wait_for_data()
        return self._take(len(self.buffer))

    async def write(self, data: bytes) -> None:
        """Write, and wait while the peer reads too slowly. Raises StreamClosed."""
        self._require_open()
        self.transport.write(data)
        if self._is_full:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
            self._drained = None
            self._require_open()

    def resume_reading(self) -> None:
        """Read again, before another protocol takes the transport."""
        if self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.underlying.resume_reading()

    @property
    def is_full(self) -> bool:
        """Whether the peer reads more slowly than the edge writes."""
        return self._is_full

    def _take(self, count: int) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        if len(self.buffer) <= self._max_buffered and not self.lost:
            self.resume_reading()
        return data

    async def _wait_for_data(self) -> None:
        if self.failure is not None:
            raise StreamClosed from self.failure
        if self.ended:
            raise StreamClosed
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
        if self.failure is not None:
            raise StreamClosed from self.failure

    def _require_open(self) -> None:
        if self.lost or self.failure is not None:
            raise StreamClosed from self.failure

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _wake_writer(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)


def underlying_transport(transport: asyncio.Transport) -> asyncio.Transport:
    """Return the TCP transport below a TLS transport; it is where reading must be paused.

    A paused TLS transport goes on reading the socket. When the peer then closes, uvloop
    (0.23, sslproto.pyx: eof_received) closes too, and drops what it had read but not passed
    on. Pausing below TLS leaves those bytes and the end in the kernel.

    uvloop has no way to ask for this transport, so it is looked up among the objects that
    the TLS transport refers to. If a later uvloop hides it, the TLS transport is returned:
    everything works, except that a peer that closes while it is not read from can lose its
    last bytes.
    """
    layer = getattr(transport, "_ssl_protocol", None)  # asyncio's own loop
    below = getattr(layer, "_transport", None) or _below_uvloop_tls(transport)
    if below is None:
        log.warning("The TCP transport below TLS was not found in this uvloop.")
        return transport
    return below


def _below_uvloop_tls(transport: asyncio.Transport) -> asyncio.Transport | None:
    for layer in gc.get_referents(transport):
        if type(layer).__name__ != "SSLProtocol":
            continue
        for below in gc.get_referents(layer):
            if type(below).__name__ == "TCPTransport":
                found: asyncio.Transport = below
                return found
    return None
