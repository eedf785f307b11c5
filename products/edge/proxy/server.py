"""Serves accepted connections within limits, and sends every error response."""

import asyncio
import contextlib
import logging
import socket
import ssl

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.client import (
    ClientConnection,
    ConnectionLimiter,
    client_address,
)
from products.edge.proxy.handler import RequestHandler
from products.edge.proxy.http1 import BodyMalformed, parse_request
from products.edge.proxy.stream import StreamClosed
from products.edge.settings import Limits
from products.edge.usage.meter import UsageMeter

log = logging.getLogger(__name__)

_UNKNOWN_NAME = "CALLBACK_FAILED"  # OpenSSL's reason if no certificate was chosen
# A record of TLS 1.2 or 1.3 with the fatal alert unrecognized_name (RFC 6066, section 3).
_ALERT = bytes([21, 3, 3, 0, 2, 2, ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME])
_MAX_REJECTIONS = 64  # connections above the limit that still get a response


class Server:
    """All client connections of one process that are not tunnels yet."""

    def __init__(
        self, limits: Limits, handler: RequestHandler, meter: UsageMeter
    ) -> None:
        self.clients: set[ClientConnection] = set()
        self.rejected = 0  # connections above a limit
        self._lingering = 0  # clients whose origin is gone, or that never had one
        self._limits = limits
        self._handler = handler
        self._meter = meter
        self._limiter = ConnectionLimiter(limits)

    def accept(
        self,
        accepted: socket.SocketType,
        peer: tuple[str, int],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Serve a connection. It counts, and has its deadline, from now on."""
        client = ClientConnection(
            client_address(peer), self._limits, self._limiter, self._meter
        )
        client.rejection = self._limiter.rejection(client.address)
        if self.descriptors + 2 > self._limits.connections:
            client.rejection = EdgeError.CONNECTION_LIMIT
        if client.rejection is None:
            self._limiter.take(client)
        else:
            self.rejected += 1
            most = self._limits.connections + _MAX_REJECTIONS
            if tls is not None or self.descriptors >= most:
                accepted.close()
                return
        self.clients.add(client)
        client.task = asyncio.get_running_loop().create_task(
            self._serve(client, accepted, tls)
        )

    @property
    def descriptors(self) -> int:
        """How many file descriptors all connections may use."""
        pairs = len(self.clients) + len(self._meter.open)
        return 2 * pairs - self._lingering

    def sweep(self, now: float) -> None:
        """Stop what has reached its deadline; `now` is the monotonic clock, in seconds."""
        for client in [client for client in self.clients if now >= client.deadline]:
            client.stop(client.timeout)

    def abort_all(self) -> None:
        """End all connections immediately."""
        for client in self.clients:
            client.stop(None)

    async def _serve(
        self,
        client: ClientConnection,
        accepted: socket.SocketType,
        tls: ssl.SSLContext | None,
    ) -> None:
        try:
            await self._establish(client, accepted, tls)
        except (OSError, asyncio.CancelledError):  # includes ssl.SSLError
            accepted.close()
        else:
            await self._respond(client)
        finally:
            self._limiter.release(client)
            self.clients.discard(client)

    async def _establish(
        self,
        client: ClientConnection,
        accepted: socket.SocketType,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Raises OSError. A client that names an unknown host gets the alert that says so."""
        loop = asyncio.get_running_loop()
        if tls is None:
            await loop.connect_accepted_socket(lambda: client, accepted)  # type: ignore[arg-type]
            return
        with socket.socket(fileno=socket.dup(accepted.fileno())) as for_alert:
            try:
                await loop.connect_accepted_socket(
                    lambda: client,
                    accepted,  # type: ignore[arg-type]
                    ssl=tls,
                    ssl_handshake_timeout=self._limits.head_seconds,
                )
            except ssl.SSLError as error:
                # The loop has closed the socket, without sending what OpenSSL wrote.
                if error.reason == _UNKNOWN_NAME:
                    with contextlib.suppress(OSError):
                        for_alert.send(_ALERT)
                raise

    async def _respond(self, client: ClientConnection) -> None:
        try:
            last = await self._handle(client)
            if last is not None:
                await self._finish(client, last)
        except (asyncio.CancelledError, BodyMalformed, StreamClosed):
            # Half a response must not look like a whole one.
            client.transport.abort()
        except Exception:
            # A fault in one connection must not end any other.
            log.exception("A connection failed.")
            client.transport.abort()

    async def _handle(self, client: ClientConnection) -> bytes | None:
        """Return the last bytes for the client; None if it is a tunnel now."""
        try:
            if client.rejection is None:
                raw = await client.read_head(self._limits.head_bytes)
                client.head_bytes = len(raw)
                client.head = parse_request(raw, max_fields=self._limits.head_lines)
                client.is_head_request = client.head.method == b"HEAD"
                return None if await self._handler.handle(client) else b""
        except ErrorResponse as error:
            return error.to_bytes(with_body=not client.is_head_request)
        except asyncio.CancelledError:
            if client.rejection is None:
                raise
        rejection = ErrorResponse(client.rejection)
        return rejection.to_bytes(with_body=not client.is_head_request)

    async def _finish(self, client: ClientConnection, last: bytes) -> None:
        self._limiter.release(client)
        self._lingering += 1
        try:
            await client.finish(last)
        finally:
            self._lingering -= 1
