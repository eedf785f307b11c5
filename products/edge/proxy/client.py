"""A client's connection, from accept until it is answered, rejected or becomes a tunnel."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeAlias

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Limits
from products.edge.tls import SERVER_NAME
from products.edge.usage.meter import UsageMeter

_MAX_DISCARDED_BYTES = 1024 * 1024

Serve: TypeAlias = Callable[["ClientConnection"], Coroutine[Any, Any, None]]


class ConnectionLimiter:
    """Counts the handshakes in flight and the connections per address of one process."""

    def __init__(self, limits: Limits) -> None:
        self.handshakes = 0
        self.by_client: Counter[str] = Counter()
        self._limits = limits

    def rejection(self, client: str) -> ErrorResponse | None:
        """Return why an address may not have another connection; None if it may."""
        if self.handshakes >= self._limits.handshakes:
            return ErrorResponse(EdgeError.CONNECTION_LIMIT)
        if self.by_client[client] >= self._limits.handshakes_per_address:
            return ErrorResponse(EdgeError.ADDRESS_LIMIT)
        return None


class ClientConnection(BufferedStream):
    """A client's stream with its deadline, its slot within the limits and the task that serves it.

    The server admits it with an address and a deadline for the head. While the handler works
    on the request, it moves the deadline through `connecting`, `waiting_for` and `count`.
    """

    __slots__ = (
        "_admit", "_is_connecting", "_is_counted", "_is_handshake", "_limiter", "_limits",
        "_meter", "_origin", "_serve", "address", "deadline", "head_bytes", "is_expired",
        "method", "service", "task",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        limiter: ConnectionLimiter,
        meter: UsageMeter,
        admit: Callable[["ClientConnection"], None],
        serve: Serve,
    ) -> None:
        """Prepare a connection; `admit` is called when it is established.

        `serve` runs as soon as the client sends something. A connection that has not been
        admitted then was rejected, and is not served.
        """
        super().__init__(limits.early_bytes)
        self.address = ""  # of the client, once it is admitted
        self.task: asyncio.Task[None] | None = None
        self.deadline = float("inf")  # monotonic clock, in seconds
        self.is_expired = False
        self.service = ""
        self.method = b""
        self.head_bytes = 0  # length of the request's head
        self._is_counted = self._is_handshake = False
        self._limits = limits
        self._limiter = limiter
        self._meter = meter
        self._admit = admit
        self._serve = serve
        self._origin: BufferedStream | None = None
        self._is_connecting = False

    @property
    def scheme(self) -> str:
        """The scheme that the client used."""
        return "https" if self.is_tls else "http"

    @property
    def server_name(self) -> str:
        """The host that the client named in the TLS handshake; "" without TLS or a name."""
        tls = self.transport.get_extra_info("ssl_object")
        return str(getattr(tls, SERVER_NAME, ""))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and ask the server to admit the client."""
        super().connection_made(transport)
        self._admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for the origin, too."""
        super().connection_lost(exc)
        if self._origin is not None:
            self._origin.fail(ConnectionAbortedError())

    def take_slot(self, address: str) -> None:
        """Count for the limits from now on, with a deadline for the head."""
        self.address = address
        self.deadline = time.monotonic() + self._limits.head_seconds
        self._is_counted = self._is_handshake = True
        self._limiter.handshakes += 1
        self._limiter.by_client[address] += 1

    def end_handshake(self) -> None:
        """Count only for the address from now on, because an ordinary request may take long.

        Slow bodies must not keep WebSockets out.
        """
        if self._is_handshake:
            self._is_handshake = False
            self._limiter.handshakes -= 1

    def release_slot(self) -> None:
        """Count no longer; may be called more than once."""
        self.end_handshake()
        if self._is_counted:
            self._is_counted = False
            by_client = self._limiter.by_client
            by_client[self.address] -= 1
            if not by_client[self.address]:
                del by_client[self.address]

    def connecting(self, seconds: float) -> None:
        """Allow this time for connecting to the origin; the task is cancelled after it."""
        self._is_connecting = True
        self.deadline = time.monotonic() + seconds

    def waiting_for(self, origin: BufferedStream, seconds: float) -> None:
        """Allow this time for the origin's head, and stop when the client is gone."""
        self._origin = origin
        self._is_connecting = False
        self.deadline = time.monotonic() + seconds
        if self.lost:
            origin.fail(ConnectionAbortedError())

    def expire(self) -> None:
        """Make whatever the task waits for fail."""
        self.is_expired = True
        self.deadline = float("inf")
        if self._is_connecting and self.task is not None:
            self.task.cancel()
            return
        if self._origin is not None:
            self._origin.fail(TimeoutError())
        self.fail(TimeoutError())

    def count_request(self) -> None:
        """Count the request as delivered, and no longer among those that are open."""
        self.release_slot()
        self._meter.delivered(self.service, 1, self.head_bytes, 0)

    def count(self, sent: int, received: int) -> None:
        """Count bytes that the client sent or received; they extend the deadline."""
        self.deadline = time.monotonic() + self._limits.quiet_seconds
        self._meter.delivered(self.service, 0, sent, received)

    def served(self) -> None:
        """Release what the task held when it ends."""
        self.release_slot()
        self._origin = None

    def _wake_reader(self) -> None:
        if self.task is not None:
            super()._wake_reader()
        elif self.address:
            # No task waits for a client that has sent nothing.
            self.task = asyncio.get_running_loop().create_task(self._serve(self))


class Lingering(asyncio.Protocol):
    """Reads on after the final response, so that a reset does not destroy it on its way."""

    def __init__(
        self, transport: asyncio.Transport, deadline: float, others: "set[Lingering]"
    ) -> None:
        """Take a transport over; `others` holds this object until the transport has closed."""
        self.transport = transport
        self.deadline = deadline
        self._others = others
        self._discarded_bytes = 0
        others.add(self)

    def data_received(self, data: bytes) -> None:
        """Discard the data; abort the connection when it is too much."""
        self._discarded_bytes += len(data)
        if self._discarded_bytes > _MAX_DISCARDED_BYTES:
            self.transport.abort()

    def eof_received(self) -> bool:
        """Close: both sides have ended."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Remove this connection from the lingering ones."""
        self._others.discard(self)


def client_address(peer: tuple[str, int] | None) -> str:
    """Return a peer's address as it is counted and shown.

    It has no zone, and an IPv4 address mapped into IPv6 is shown as IPv4.
    """
    if not peer:
        return "unknown"
    if ":" not in peer[0]:
        return peer[0]
    address = ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
