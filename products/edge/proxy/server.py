"""Accepts connections within limits, reads their requests, and answers for all errors."""

import asyncio
import functools
import logging
import socket
import ssl
import time

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.client import (
    ClientConnection,
    Lingering,
    client_address,
    send_final_response,
)
from products.edge.proxy.forward import ResponseTruncated
from products.edge.proxy.handler import RequestHandler
from products.edge.proxy.http1 import parse_request
from products.edge.proxy.limiter import ConnectionLimiter, ConnectionSlot
from products.edge.proxy.stream import (
    BufferedStream,
    HeadMalformed,
    HeadTooLarge,
    WireClosed,
)
from products.edge.settings import Limits
from products.edge.usage.meter import UsageMeter

log = logging.getLogger(__name__)

_LAST_REFUSALS = 64  # descriptors kept to say 503 with, before one only hangs up


class Gateway:
    """Everybody who has connected and is not yet in a tunnel."""

    def __init__(
        self, limits: Limits, carriage: RequestHandler, meter: UsageMeter
    ) -> None:
        """Answer nobody yet; `make_wire` is the listener's protocol factory."""
        self.visits: set[ClientConnection] = set()
        self.lingering: set[Lingering] = set()
        self.refused = 0  # for want of room
        self._limits = limits
        self._carriage = carriage
        self._meter = meter
        self.tls_handshakes = 0  # whose TLS handshake is under way
        self._crowd = ConnectionLimiter(limits)

    def make_wire(self) -> BufferedStream:
        """Make the protocol of a new connection."""
        return BufferedStream(self._limits.early_bytes, self._arrived)

    async def accept_tls(
        self, connection: socket.socket, peer: tuple[str, int], tls: ssl.SSLContext
    ) -> None:
        """Take a connection through its TLS handshake, counted and timed from accept on."""
        client = client_address(peer)
        if self._no_room(client) is not None:
            self.refused += 1
            connection.close()
            return
        place = ConnectionSlot(self._crowd, client)
        deadline = time.monotonic() + self._limits.head_seconds

        def arrived(wire: BufferedStream) -> None:
            self._receive(wire, place, deadline)

        self.tls_handshakes += 1
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: BufferedStream(self._limits.early_bytes, arrived),
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._limits.head_seconds,
            )
        except OSError:  # ssl.SSLError is one, too
            connection.close()
            place.leave()
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self.tls_handshakes -= 1

    @property
    def descriptors(self) -> int:
        """How many file descriptors all connections may hold."""
        pairs = len(self.visits) + len(self._carriage.tunnels)
        return 2 * pairs + len(self.lingering) + self.tls_handshakes

    def sweep(self, now: float) -> None:
        """Expire what has taken too long; `now` is the monotonic clock."""
        for visit in [visit for visit in self.visits if now >= visit.deadline]:
            visit.expire()
        for rest in [rest for rest in self.lingering if now >= rest.deadline]:
            rest.transport.abort()

    def abort_all(self) -> None:
        """End every visit at once."""
        for visit in list(self.visits):
            if visit.task is not None:
                visit.task.cancel()
            visit.wire.transport.abort()

    def _arrived(self, wire: BufferedStream) -> None:
        client = client_address(wire.transport.get_extra_info("peername"))
        refusal = self._no_room(client)
        if refusal is not None:
            self._reject(wire, refusal)
            return
        deadline = time.monotonic() + self._limits.head_seconds
        self._receive(wire, ConnectionSlot(self._crowd, client), deadline)

    def _receive(
        self, wire: BufferedStream, place: ConnectionSlot, deadline: float
    ) -> None:
        visit = ClientConnection(wire, self._limits, self._meter, place, deadline)
        self.visits.add(visit)
        wire.on_first = functools.partial(self._begin, visit)

    def _begin(self, visit: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        visit.task = loop.create_task(self._serve(visit))

    def _no_room(self, client: str) -> ErrorResponse | None:
        if self.descriptors + 2 > self._limits.connections:
            return ErrorResponse(EdgeError.CONNECTION_LIMIT)
        return self._crowd.refusal(client)

    def _reject(self, wire: BufferedStream, refusal: ErrorResponse) -> None:
        self.refused += 1
        if self.descriptors < self._limits.connections + _LAST_REFUSALS:
            self._last_word(wire, refusal.to_bytes())
        else:
            wire.transport.abort()

    async def _serve(self, visit: ClientConnection) -> None:
        try:
            if not await self._answer(visit):
                self._last_word(visit.wire, b"")
        except ErrorResponse as refusal:
            with_body = visit.method != b"HEAD"
            self._last_word(visit.wire, refusal.to_bytes(with_body=with_body))
        except (ResponseTruncated, WireClosed):
            # Half an answer must not look like a whole one.
            visit.wire.transport.abort()
        except Exception:
            # One connection's fault must end that connection alone.
            log.exception("A connection failed.")
            visit.wire.transport.abort()
        finally:
            visit.place.leave()
            self.visits.discard(visit)
            visit.origin = None

    async def _answer(self, visit: ClientConnection) -> bool:
        raw = await self._read_head(visit)
        visit.arrived_bytes = len(raw)
        head = parse_request(raw, max_fields=self._limits.head_lines)
        return await self._carriage.carry(visit, head)

    async def _read_head(self, visit: ClientConnection) -> bytes:
        try:
            return await visit.wire.read_head(self._limits.head_bytes)
        except HeadTooLarge as error:
            raise ErrorResponse(
                EdgeError.HEADERS_TOO_LARGE, limit=self._limits.head_bytes
            ) from error
        except HeadMalformed as error:
            raise ErrorResponse(EdgeError.NOT_HTTP) from error
        except WireClosed as error:
            if visit.expired:
                raise ErrorResponse(EdgeError.REQUEST_TIMEOUT) from error
            raise

    def _last_word(self, wire: BufferedStream, data: bytes) -> None:
        deadline = time.monotonic() + self._limits.linger_seconds
        send_final_response(wire, data, deadline, self.lingering)
