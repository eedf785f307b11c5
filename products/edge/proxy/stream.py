"""A connection as a stream: read a head, read bytes, write; until a tunnel takes over."""

import asyncio
import gc
import logging
import re

from products.edge.errors import EdgeError, ErrorResponse
from products.protocol import TCHAR

log = logging.getLogger(__name__)

_NOT_A_TOKEN = re.compile(b"[^%s]" % TCHAR.encode())
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class StreamClosed(Exception):
    """The connection ended before the operation was complete."""


class BufferedStream(asyncio.Protocol):
    """A connection with a bounded buffer.

    Above `max_buffered` bytes reading pauses. Nothing is dropped, so what a peer sends too
    early keeps its order.
    """

    transport: asyncio.Transport
    underlying: asyncio.Transport  # where reading is paused: the transport below TLS
    is_tls: bool
    head_too_large = EdgeError.ORIGIN_HEADERS_TOO_LARGE
    not_http = EdgeError.ORIGIN_NOT_HTTP

    def __init__(self, max_buffered: int) -> None:
        self.buffer = bytearray()
        self.ended = False  # the peer will send nothing more
        self.lost = False  # the connection is gone
        self.is_full = False  # the peer reads more slowly than the edge writes
        self._is_broken = False  # the connection ended with an error
        self._max_buffered = max_buffered
        self._is_paused = False
        self._waiting: list[asyncio.Future[None]] = []

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
        self._wake()

    def eof_received(self) -> bool:
        """Note the peer's end; without TLS the other direction stays open."""
        self.ended = True
        self._wake()
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail reads and writes that wait."""
        self.ended = self.lost = True
        self._is_broken = exc is not None
        self._wake()

    def pause_writing(self) -> None:
        """Note that the peer reads more slowly than the edge writes."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Let a waiting writer go on."""
        self.is_full = False
        self._wake()

    async def read_head(self, max_bytes: int) -> bytes:
        """Take a head with its empty line; what follows it stays in the buffer.

        Raises StreamClosed, and ErrorResponse as soon as it is certain that the head is too
        large or that the bytes cannot become one.
        """
        seen = 0
        while True:
            end = self.buffer.find(b"\r\n\r\n", max(0, seen - 3))
            if end >= 0 and end + 4 <= max_bytes:
                return self._take(end + 4)
            if end < 0 and (
                _NOT_A_TOKEN.match(self.buffer)
                or _BARE_LINE_FEED.search(self.buffer, max(0, seen - 1))
            ):
                raise ErrorResponse(self.not_http)
            seen = len(self.buffer)
            if seen > max_bytes:
                raise ErrorResponse(self.head_too_large, limit=max_bytes)
            if self.ended:
                raise StreamClosed
            await self._wait()

    async def read_some(self) -> bytes:
        """Take everything in the buffer, waiting for data; empty at the end.

        Raises StreamClosed when the connection broke.
        """
        while not self.buffer:
            if self._is_broken:
                raise StreamClosed
            if self.ended:
                return b""
            await self._wait()
        return self._take(len(self.buffer))

    async def write(self, data: bytes) -> None:
        """Write, and wait while the peer reads too slowly. Raises StreamClosed."""
        if not self.lost:
            self.transport.write(data)
        while self.is_full and not self.lost:
            await self._wait()
        if self.lost:
            raise StreamClosed

    def resume_reading(self) -> None:
        """Read again, before another protocol takes the transport."""
        if self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.underlying.resume_reading()

    def _take(self, count: int) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        if len(self.buffer) <= self._max_buffered and not self.lost:
            self.resume_reading()
        return data

    async def _wait(self) -> None:
        """Wait until anything changes; the caller looks what did."""
        changed = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        await changed

    def _wake(self) -> None:
        for changed in self._waiting:
            if not changed.done():
                changed.set_result(None)
        self._waiting.clear()


def underlying_transport(transport: asyncio.Transport) -> asyncio.Transport:
    """Return the TCP transport below a TLS transport; it is where reading must be paused.

    A paused TLS transport goes on reading the socket. When the peer then closes, uvloop
    (0.23, sslproto.pyx: eof_received) closes too, and drops what it had read but not passed
    on. Pausing below TLS leaves those bytes and the end in the kernel.

    uvloop does not name this transport, so it is looked up among the objects that the TLS
    transport refers to. If a later uvloop hides it, the TLS transport is returned, and a peer
    that closes while it is not read from can lose its last bytes.
    """
    layer = getattr(transport, "_ssl_protocol", None)  # asyncio's own loop
    below = getattr(layer, "_transport", None) or _below_uvloop_tls(transport)
    if below is None:
        log.warning("The TCP transport below TLS was not found in this uvloop.")
        return transport
    return below


def _below_uvloop_tls(transport: asyncio.Transport) -> asyncio.Transport | None:
    for layer in gc.get_referents(transport):
        if type(layer).__name__ == "SSLProtocol":
            for below in gc.get_referents(layer):
                if type(below).__name__ == "TCPTransport":
                    found: asyncio.Transport = below
                    return found
    return None
