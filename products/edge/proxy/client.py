"""A client's connection, from accept until it is answered, rejected or becomes a tunnel."""

import asyncio
import contextlib
import time
from ipaddress import IPv6Address, ip_address

from products.edge.errors import EdgeError
from products.edge.headers import RequestHead
from products.edge.proxy.stream import BufferedStream, StreamClosed
from products.edge.settings import Limits
from products.edge.table import PreparedRoute
from products.edge.tls import SERVER_NAME
from products.edge.usage.meter import UsageMeter


class ConnectionLimiter:
    """Counts the handshakes in flight and the connections per address of one process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.handshakes: set[ClientConnection] = set()
        self._by_address: dict[str, set[ClientConnection]] = {}

    def rejection(self, address: str) -> EdgeError | None:
        """Return why an address may not have another connection; None if it may."""
        if len(self.handshakes) >= self._limits.handshakes:
            return EdgeError.CONNECTION_LIMIT
        others = self._by_address.get(address, ())
        if len(others) >= self._limits.handshakes_per_address:
            return EdgeError.ADDRESS_LIMIT
        return None

    def take(self, client: "ClientConnection") -> None:
        """Count a client that has begun to connect."""
        self.handshakes.add(client)
        self._by_address.setdefault(client.address, set()).add(client)

    def release(self, client: "ClientConnection") -> None:
        """Count a client no longer; may be called more than once."""
        self.handshakes.discard(client)
        others = self._by_address.get(client.address, set())
        others.discard(client)
        if not others:
            self._by_address.pop(client.address, None)


class ClientConnection(BufferedStream):
    """A client's stream with its deadline and the task that serves it.

    The server's sweep stops a task that has reached its deadline.
    """

    head: RequestHead  # of the request, once it was read
    prepared: PreparedRoute  # of its host, once it was found
    head_too_large = EdgeError.HEADERS_TOO_LARGE
    not_http = EdgeError.NOT_HTTP

    def __init__(
        self,
        address: str,
        limits: Limits,
        limiter: ConnectionLimiter,
        meter: UsageMeter,
    ) -> None:
        """Prepare a connection that was just accepted: the time for its head begins."""
        super().__init__(limits.early_bytes)
        self.address = address
        self.task: asyncio.Task[None] | None = None
        self.rejection: EdgeError | None = None  # the response instead of the origin's
        self.has_response = False  # it has begun
        self.head_bytes = 0  # length of the request's head
        self.is_head_request = False  # its response has no body
        self._limits = limits
        self._limiter = limiter
        self._meter = meter
        self.allow(limits.head_seconds, EdgeError.REQUEST_TIMEOUT)

    @property
    def server_name(self) -> str:
        """The host that the client named in the TLS handshake; "" without TLS or a name."""
        if not self.is_tls:
            return ""
        tls = self.transport.get_extra_info("ssl_object")
        return str(getattr(tls, SERVER_NAME, ""))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the task, too, whatever it waits for."""
        super().connection_lost(exc)
        self.stop(None)

    def allow(self, seconds: float, timeout: EdgeError) -> None:
        """Set the deadline, and the response to a request that reaches it."""
        self.deadline = time.monotonic() + seconds
        self.timeout = timeout

    def stop(self, rejection: EdgeError | None) -> None:
        """Cancel the task. If no response has begun, the client gets this one, if there is one."""
        self.deadline = float("inf")
        self.rejection = None if self.has_response else rejection
        if self.task is not None:
            self.task.cancel()

    def end_handshake(self) -> None:
        """Count only for the address from now on, because an ordinary request may take long.

        Slow bodies must not keep WebSockets out.
        """
        self._limiter.handshakes.discard(self)

    def count_request(self) -> None:
        """Count the request as delivered; its address counts it until the response has ended."""
        self.has_response = True
        self.end_handshake()
        self._meter.delivered(self.prepared.route.service, 1, self.head_bytes, 0)

    async def receive(self) -> bytes:
        """Read and count a part of the request's body; empty at the end. Raises StreamClosed."""
        data = await self.read_some()
        self._count(len(data), 0)
        return data

    async def send(self, data: bytes) -> None:
        """Write and count a part of the response. Raises StreamClosed."""
        await self.write(data)
        self._count(0, len(data))

    async def finish(self, data: bytes) -> None:
        """Send the last bytes, and close the connection so that they arrive.

        Closing with unread input would make the kernel send a reset, which can destroy the
        response on its way. So reading goes on for a short while.
        """
        self.has_response = True
        self.deadline = time.monotonic() + self._limits.linger_seconds
        self.transport.write(data)
        if self.transport.can_write_eof() and not self.ended:
            self.transport.write_eof()
            with contextlib.suppress(StreamClosed):
                while await self.read_some():
                    pass
        self.transport.close()
        while not self.lost:
            await self._wait()

    def _count(self, sent: int, received: int) -> None:
        """Count bytes that the client sent or received; they extend the deadline."""
        self.deadline = time.monotonic() + self._limits.quiet_seconds
        self._meter.delivered(self.prepared.route.service, 0, sent, received)


def client_address(peer: tuple[str, int]) -> str:
    """Return a peer's address as it is counted and shown.

    It has no zone, and an IPv4 address mapped into IPv6 is shown as IPv4.
    """
    if ":" not in peer[0]:
        return peer[0]
    address = ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
