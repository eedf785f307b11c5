"""One client's connection until it is answered, refused, or handed to a tunnel."""

import asyncio
import time
from ipaddress import IPv6Address, ip_address

from products.edge.proxy.limiter import ConnectionSlot
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Limits
from products.edge.usage.meter import UsageMeter

_MAX_LINGERING_BYTES = 1024 * 1024


class ClientConnection:
    """A connection with its deadline; while it is a handshake it counts against caps.

    It is also the watcher of an ordinary exchange: it counts its bytes as delivery.
    """

    __slots__ = (
        "_limits", "_meter", "arrived_bytes", "deadline", "expired", "is_dialling",
        "method", "origin", "place", "scheme", "service", "task", "wire",
    )  # fmt: skip

    def __init__(
        self,
        wire: BufferedStream,
        limits: Limits,
        meter: UsageMeter,
        place: ConnectionSlot,
        deadline: float,
    ) -> None:
        """Begin with a wire that stands; `deadline` is for its head, in monotonic time."""
        self.wire = wire
        self.origin: BufferedStream | None = None
        self.task: asyncio.Task[None] | None = None  # none until the client speaks
        self.scheme = "https" if wire.is_tls else "http"
        self.place = place
        self.deadline = deadline
        self.expired = False
        self.is_dialling = False
        self.service = ""
        self.method = b""
        self.arrived_bytes = 0  # of the request's head
        self._limits = limits
        self._meter = meter

    @property
    def client(self) -> str:
        """The client's address."""
        return self.place.client

    def dials(self, seconds: float) -> None:
        """Allow so long for connecting to the origin; who comes too late is cancelled."""
        self.is_dialling = True
        self.deadline = time.monotonic() + seconds

    def wait_for(self, origin: BufferedStream, seconds: float) -> None:
        """Wait for an origin's head so long, and no longer than the client does."""
        self.origin = origin
        self.is_dialling = False
        self.deadline = time.monotonic() + seconds
        self.wire.on_gone = self._client_gone
        if self.wire.lost:
            self._client_gone()

    def expire(self) -> None:
        """Give up: whoever waits for either side hears of it."""
        self.expired = True
        self.deadline = float("inf")
        if self.is_dialling and self.task is not None:
            self.task.cancel()
            return
        for wire in (self.origin, self.wire):
            if wire is not None:
                wire.fail(TimeoutError())

    def moved(self, sent: int, received: int) -> None:
        """Count delivered bytes; each gives the exchange more time."""
        self.deadline = time.monotonic() + self._limits.quiet_seconds
        self._meter.delivered(self.service, 0, sent, received)

    def answered(self) -> None:
        """Count the request as delivered."""
        self.place.leave()
        self._meter.delivered(self.service, 1, self.arrived_bytes, 0)

    def _client_gone(self) -> None:
        if self.wire.lost and self.origin is not None:
            self.origin.fail(ConnectionAbortedError())


class Lingering(asyncio.Protocol):
    """Reads on after the last word, so that no reset destroys it on its way."""

    def __init__(
        self, transport: asyncio.Transport, deadline: float, over: "set[Lingering]"
    ) -> None:
        """Take a transport over; it leaves `over` when it has closed."""
        self.transport = transport
        self.deadline = deadline
        self._over = over
        self._taken = 0
        over.add(self)

    def data_received(self, data: bytes) -> None:
        """Throw away, up to a point."""
        self._taken += len(data)
        if self._taken > _MAX_LINGERING_BYTES:
            self.transport.abort()

    def eof_received(self) -> bool:
        """Close: both sides have said their last word."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Be forgotten."""
        self._over.discard(self)


def send_final_response(
    wire: BufferedStream, data: bytes, deadline: float, lingering: set[Lingering]
) -> None:
    """Write the last there is to say on a connection, and close it with care."""
    transport = wire.transport
    if wire.lost or transport.is_closing():
        return
    if data:
        transport.write(data)
    wire.on_gone = None
    wire.resume()
    transport.set_protocol(Lingering(transport, deadline, lingering))
    if wire.ended or not transport.can_write_eof():
        transport.close()
    else:
        transport.write_eof()


def client_address(peer: tuple[str, int] | None) -> str:
    """Give a peer's address as it is counted and shown: without a zone, mapped ones as IPv4."""
    if not peer:
        return "unknown"
    if ":" not in peer[0]:
        return peer[0]
    address = ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
