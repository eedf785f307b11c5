"""A tunnel: bytes in both directions, unread and unchanged, until both sides have ended (R1)."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from products.edge.contract import Route
from products.edge.errors import EdgeError, ErrorResponse
from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Limits


class Relay(asyncio.Protocol):
    """One side of a tunnel: counts what it receives and writes it to the other side."""

    __slots__ = (
        "buffered_when_full", "count", "ended", "gone", "output", "transport", "tunnel",
        "underlying",
    )  # fmt: skip

    # The other side's transport, or this relay when that is gone.
    output: "asyncio.WriteTransport | Relay"

    def __init__(self, tunnel: "Tunnel", stream: BufferedStream, count: int) -> None:
        """Prepare to take over a stream's transport; `count` bytes are already counted."""
        self.tunnel = tunnel
        self.transport = stream.transport
        self.underlying = stream.underlying
        self.count = count
        self.ended = False  # will send nothing more
        self.gone = False
        self.buffered_when_full = 0  # bytes for this side when writing to it paused

    @property
    def peer(self) -> "Relay":
        """The other side."""
        tunnel = self.tunnel
        return tunnel.origin if self is tunnel.client else tunnel.client

    def data_received(self, data: bytes) -> None:
        """Count and pass on. The hot path: nothing else belongs here."""
        self.count += len(data)
        self.output.write(data)

    def pause_writing(self) -> None:
        """Stop reading from the other side while this side reads too slowly."""
        self.buffered_when_full = self.transport.get_write_buffer_size()
        if not self.peer.gone:
            self.peer.underlying.pause_reading()

    def resume_writing(self) -> None:
        """Read from the other side again."""
        self.buffered_when_full = 0
        if not self.peer.gone and not self.peer.ended:
            self.peer.underlying.resume_reading()

    def eof_received(self) -> bool:
        """Pass the end on; without TLS, bytes in the other direction still pass."""
        self.ended = True
        self.tunnel.side_ended(self)
        return self.transport.can_write_eof()  # TLS cannot close one direction only

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """End the other side after what is buffered for it, then the tunnel."""
        self.gone = self.ended = True
        self.tunnel.side_gone(self)

    def write(self, data: bytes) -> None:
        """Drop bytes for a side that is gone, and do not count them."""
        self.count -= len(data)

    def finish(self) -> None:
        """Close this side for writing, after what is buffered for it."""
        if self.gone or self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()


class Tunnel:
    """Two relays, and when they must end.

    `on_end` is called once: before the edge closes the tunnel, or else when both sides are
    gone. Counts are cumulative, in bytes on the client's side.
    """

    __slots__ = (
        "_deadline", "_delivered", "_last_activity", "_on_end", "_seen", "account", "client",
        "ended_at_ns", "limits", "number", "origin", "service",
    )  # fmt: skip

    client: Relay
    origin: Relay

    def __init__(
        self,
        route: Route,
        limits: Limits,
        number: int,
        on_end: Callable[["Tunnel"], None],
    ) -> None:
        """Prepare a tunnel; `number` is the meter's."""
        self.service, self.account = route.service, route.account
        self.limits = limits
        self.number = number
        self.ended_at_ns = 0  # monotonic clock: when the last direction ended
        self._on_end: Callable[[Tunnel], None] | None = on_end
        self._delivered = 0  # bytes to the client, at the latest reading
        self._deadline = 0.0
        self._seen = 0
        self._last_activity = time.monotonic()

    def start(
        self,
        client: BufferedStream,
        origin: BufferedStream,
        request_bytes: int,
        response: bytes,
    ) -> None:
        """Send the origin's 101 to the client and pass on all that follows.

        What a side has sent too early goes first, in its order.
        """
        ahead = bytes(origin.buffer)
        early = bytes(client.buffer)
        here = Relay(self, client, request_bytes + len(early))
        there = Relay(self, origin, len(response) + len(ahead))
        self.client, self.origin = here, there
        # The first reading was written before this, and includes the whole response.
        self._delivered = len(response)
        here.output, there.output = origin.transport, client.transport
        client.transport.write(response + ahead)
        if early and not origin.lost:
            origin.transport.write(early)
        for stream, relay in ((client, here), (origin, there)):
            stream.resume_reading()
            relay.transport.set_protocol(relay)
            if stream.is_full:
                relay.pause_writing()
        if origin.lost:
            there.connection_lost(None)
        elif origin.ended:
            there.eof_received()
        if client.ended:
            here.eof_received()

    def counts(self) -> tuple[int, int]:
        """Return the bytes from and to the client, without what is still buffered here.

        The counts never shrink: the portal would dispute the later reading.
        """
        if not self.client.gone:
            # With TLS, what waits is counted encrypted, which is more.
            self._deliver(self.client.transport.get_write_buffer_size())
        return self.client.count, self._delivered

    def side_ended(self, side: Relay) -> None:
        """Pass the end of a side on, and close both when it was the second."""
        if not side.peer.ended:
            side.peer.finish()
            self._last_activity = time.monotonic()
            return
        self._last_direction_ended()
        for relay in (side, side.peer):
            if not relay.gone:
                relay.transport.close()  # after what is buffered

    def side_gone(self, side: Relay) -> None:
        """Read the other side to its end for a short while, or end the tunnel."""
        other = side.peer
        self._last_direction_ended()
        if side is self.client:
            # The transport no longer knows. What waited can only have become less, so a
            # client that is gone is never charged for what it did not get.
            self._deliver(side.buffered_when_full)
        if other.gone:
            self._report_end()
            self._release()
            return
        self._deadline = time.monotonic() + self.limits.linger_seconds
        if other.ended:
            other.transport.close()
            return
        # Closing with unread input would make the kernel send RST, and the peer could lose
        # the last frames: close for writing, read and discard, close.
        other.finish()
        other.output = other
        other.underlying.resume_reading()

    def close_now(self) -> None:
        """Close both sides whatever is buffered, after the last reading."""
        self._last_direction_ended()
        self._report_end()
        for relay in (self.client, self.origin):
            if not relay.gone:
                relay.transport.abort()

    def sweep(self, now: float) -> None:
        """Close the tunnel when it was idle for too long, or when closing takes too long."""
        if self._deadline:
            if now >= self._deadline:
                self.close_now()
            return
        seen = self.client.count + self.origin.count
        if seen != self._seen:
            self._seen = seen
            self._last_activity = now
            return
        half_open = self.client.ended or self.origin.ended
        allowed = (
            self.limits.half_open_seconds if half_open else self.limits.idle_seconds
        )
        if now - self._last_activity >= allowed:
            self.close_now()

    def _deliver(self, waiting: int) -> None:
        """Count what the origin has sent as delivered, but for the bytes that wait."""
        self._delivered = max(self._delivered, self.origin.count - waiting)

    def _last_direction_ended(self) -> None:
        if not self.ended_at_ns:
            self.ended_at_ns = time.monotonic_ns()
            self._deadline = time.monotonic() + self.limits.close_seconds

    def _report_end(self) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)

    def _release(self) -> None:
        # Reference cycles would pile up, because the garbage collector runs rarely here.
        for relay in (self.client, self.origin):
            del relay.output, relay.tunnel
        del self.client, self.origin


class TunnelLimiter:
    """Counts the tunnels of each service and account, handshakes with the origin included."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.by_service: Counter[str] = Counter()
        self._by_account: Counter[str] = Counter()

    def take(self, route: Route) -> None:
        """Count a tunnel that is to be opened. Raises ErrorResponse above a limit."""
        if self.by_service[route.service] >= self._limits.tunnels_per_service:
            raise ErrorResponse(EdgeError.SERVICE_LIMIT)
        if self._by_account[route.account] >= self._limits.tunnels_per_account:
            raise ErrorResponse(EdgeError.ACCOUNT_LIMIT)
        self.by_service[route.service] += 1
        self._by_account[route.account] += 1

    def release(self, service: str, account: str) -> None:
        """Stop counting a tunnel."""
        for counter, key in ((self.by_service, service), (self._by_account, account)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
