"""Accepts connections within limits, reads their requests, and sends every error response."""

import asyncio
import contextlib
import logging
import socket
import ssl
import time

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.client import (
    ClientConnection,
    ConnectionLimiter,
    Lingering,
    client_address,
)
from products.edge.proxy.handler import RequestHandler, ResponseTruncated
from products.edge.proxy.http1 import parse_request
from products.edge.proxy.stream import (
    BufferedStream,
    HeadMalformed,
    HeadTooLarge,
    StreamClosed,
)
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
        self.lingering: set[Lingering] = set()
        self.rejected = 0  # connections above a limit
        self.tls_handshakes = 0  # in flight
        self._limits = limits
        self._handler = handler
        self._meter = meter
        self._limiter = ConnectionLimiter(limits)

    def make_connection(self) -> ClientConnection:
        return ClientConnection(
            self._limits, self._limiter, self._meter, self._admit, self._serve
        )

    async def accept_tls(
        self, accepted: socket.socket, peer: tuple[str, int], tls: ssl.SSLContext
    ) -> None:
        """Shake hands over TLS; the connection counts, and has its deadline, from accept on."""
        address = client_address(peer)
        if self._rejection(address) is not None:
            self.rejected += 1
            accepted.close()
            return
        client = self.make_connection()
        client.take_slot(address)
        self.tls_handshakes += 1
        try:
            await self._shake_hands(client, accepted, tls)
        except OSError:  # includes ssl.SSLError
            accepted.close()
            client.release_slot()
        except asyncio.CancelledError:
            accepted.close()
            raise
        finally:
            self.tls_handshakes -= 1

    async def _shake_hands(
        self, client: ClientConnection, accepted: socket.socket, tls: ssl.SSLContext
    ) -> None:
        """Raises OSError. A client that names an unknown host gets the alert that says so."""
        with accepted.dup() as for_alert:
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: client,
                    accepted,
                    ssl=tls,
                    ssl_handshake_timeout=self._limits.head_seconds,
                )
            except ssl.SSLError as error:
                # The loop has closed the socket, without sending what OpenSSL wrote.
                if error.reason == _UNKNOWN_NAME:
                    with contextlib.suppress(OSError):
                        for_alert.send(_ALERT)
                raise

    @property
    def descriptors(self) -> int:
        """How many file descriptors all connections may use."""
        pairs = len(self.clients) + len(self._handler.tunnels)
        return 2 * pairs + len(self.lingering) + self.tls_handshakes

    def sweep(self, now: float) -> None:
        """End what has reached its deadline; `now` is the monotonic clock, in seconds."""
        for client in [client for client in self.clients if now >= client.deadline]:
            client.expire()
        for rest in [rest for rest in self.lingering if now >= rest.deadline]:
            rest.transport.abort()

    def abort_all(self) -> None:
        """End all connections immediately."""
        for client in list(self.clients):
            if client.task is not None:
                client.task.cancel()
            client.transport.abort()

    def _admit(self, client: ClientConnection) -> None:
        if not client.address:
            address = client_address(client.transport.get_extra_info("peername"))
            rejection = self._rejection(address)
            if rejection is not None:
                self._reject(client, rejection)
                return
            client.take_slot(address)
        self.clients.add(client)

    def _rejection(self, address: str) -> ErrorResponse | None:
        if self.descriptors + 2 > self._limits.connections:
            return ErrorResponse(EdgeError.CONNECTION_LIMIT)
        return self._limiter.rejection(address)

    def _reject(self, client: ClientConnection, rejection: ErrorResponse) -> None:
        self.rejected += 1
        if self.descriptors < self._limits.connections + _MAX_REJECTIONS:
            self._send_final_response(client, rejection.to_bytes())
        else:
            client.transport.abort()

    async def _serve(self, client: ClientConnection) -> None:
        try:
            if not await self._handle(client):
                self._send_final_response(client, b"")
        except ErrorResponse as error:
            with_body = client.method != b"HEAD"
            self._send_final_response(client, error.to_bytes(with_body=with_body))
        except (ResponseTruncated, StreamClosed):
            # Half a response must not look like a whole one.
            client.transport.abort()
        except Exception:
            # A fault in one connection must not end any other.
            log.exception("A connection failed.")
            client.transport.abort()
        finally:
            client.served()
            self.clients.discard(client)

    async def _handle(self, client: ClientConnection) -> bool:
        raw = await self._read_head(client)
        client.head_bytes = len(raw)
        head = parse_request(raw, max_fields=self._limits.head_lines)
        return await self._handler.handle(client, head)

    async def _read_head(self, client: ClientConnection) -> bytes:
        try:
            return await client.read_head(self._limits.head_bytes)
        except HeadTooLarge as error:
            raise ErrorResponse(
                EdgeError.HEADERS_TOO_LARGE, limit=self._limits.head_bytes
            ) from error
        except HeadMalformed as error:
            raise ErrorResponse(EdgeError.NOT_HTTP) from error
        except StreamClosed as error:
            if client.is_expired:
                raise ErrorResponse(EdgeError.REQUEST_TIMEOUT) from error
            raise

    def _send_final_response(self, client: BufferedStream, data: bytes) -> None:
        """Send the last bytes of a connection, and close it so that they arrive."""
        transport = client.transport
        if client.lost or transport.is_closing():
            return
        if data:
            transport.write(data)
        client.resume_reading()
        deadline = time.monotonic() + self._limits.linger_seconds
        transport.set_protocol(Lingering(transport, deadline, self.lingering))
        if client.ended or not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()
