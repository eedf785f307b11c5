"""A tunnel: bytes both ways, unread and unchanged, until both sides have ended (R1)."""

import asyncio
import sys
import time
from collections.abc import Callable

from products.edge.proxy.stream import BufferedStream
from products.edge.settings import Limits


class Relay(asyncio.Protocol):
    """One side of a tunnel: counts what it receives and writes it to the other."""

    __slots__ = (
        "count",
        "ended",
        "gone",
        "held",
        "is_tls",
        "peer",
        "tap",
        "transport",
        "tunnel",
        "write",
    )

    peer: "Relay"
    write: Callable[[bytes], None]

    def __init__(self, tunnel: "Tunnel", wire: BufferedStream, count: int) -> None:
        """Take over a wire's transport; `count` bytes have been counted already."""
        self.tunnel = tunnel
        self.transport = wire.transport
        self.tap = wire.tap
        self.is_tls = wire.is_tls
        self.count = count
        self.ended = False  # will send nothing more
        self.gone = False
        self.held = 0  # bytes that waited here when this side fell behind

    def data_received(self, data: bytes) -> None:
        """Count and pass on. The hot path: nothing else belongs here."""
        self.count += len(data)
        self.write(data)

    def pause_writing(self) -> None:
        """Stop reading from the other side while this one is behind."""
        self.held = self.transport.get_write_buffer_size()
        if not self.peer.gone:
            self.peer.tap.pause_reading()

    def resume_writing(self) -> None:
        """Read from the other side again."""
        self.held = 0
        if not self.peer.gone and not self.peer.ended:
            self.peer.tap.resume_reading()

    def eof_received(self) -> bool:
        """Pass the end on; what still comes the other way is carried to its end."""
        self.ended = True
        self.tunnel.side_ended(self)
        return not self.is_tls  # TLS cannot close one direction only

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Let the other side hear the rest, then end the tunnel."""
        self.gone = self.ended = True
        self.tunnel.side_gone(self)

    def discard(self, data: bytes) -> None:
        """Take bytes that have nowhere to go, and do not count them."""
        self.count -= len(data)

    def finish(self) -> None:
        """Say that nothing more will be written, after all that is buffered."""
        if self.gone or self.transport.is_closing():
            return
        if self.is_tls:
            self.transport.close()
        else:
            self.transport.write_eof()


class Tunnel:
    """Two relays that belong together, and when they must end.

    `ended` is called once, before the edge cuts the tunnel or else when both sides are
    gone. Counts are cumulative and of the
    client's side.
    """

    __slots__ = (
        "_deadline", "_delivered", "_ended", "_seen", "_since", "_undelivered",
        "client", "ended_at_ns", "limits", "number", "origin", "reason", "service",
    )  # fmt: skip

    seen_ns = sys.maxsize  # an end is known at once, so readings go up to now

    def __init__(
        self,
        service: str,
        limits: Limits,
        number: int,
        ended: Callable[["Tunnel"], None],
    ) -> None:
        """Prepare a tunnel of a service; `number` is its meter's."""
        self.service = service
        self.limits = limits
        self.number = number
        self.reason = ""  # why the edge ended it, "" when it did not
        self.ended_at_ns = 0  # monotonic: when the last direction ended
        self._ended: Callable[[Tunnel], None] | None = ended
        self._delivered = 0  # to the client, by the latest reading
        self._undelivered = 0  # buffered for a client that went
        self._deadline = 0.0
        self._seen = 0
        self._since = time.monotonic()

    def start(
        self,
        client: BufferedStream,
        origin: BufferedStream,
        request_bytes: int,
        answer: bytes,
    ) -> None:
        """Send the origin's 101 to the client and carry all that comes after.

        What either side has sent too early goes first, in its order.
        """
        ahead = bytes(origin.buffer)
        early = bytes(client.buffer)
        here = Relay(self, client, request_bytes + len(early))
        there = Relay(self, origin, len(answer) + len(ahead))
        self.client, self.origin = here, there
        here.peer, there.peer = there, here
        # The first reading was written before, and had all of the answer.
        self._delivered = len(answer)
        here.write, there.write = origin.transport.write, client.transport.write
        there.write(answer + ahead)
        if early and not origin.lost:
            here.write(early)
        for wire, relay in ((client, here), (origin, there)):
            wire.on_gone = None
            wire.resume()
            relay.transport.set_protocol(relay)
            if wire.is_full:
                relay.pause_writing()
        if origin.lost:
            there.connection_lost(None)
        elif origin.ended:
            there.eof_received()

    def counts(self) -> tuple[int, int]:
        """Give the bytes from and to the client, without what is still buffered here.

        Never fewer than it gave before: the portal would dispute the later reading.
        """
        waiting = self._undelivered
        if not self.client.gone:
            waiting = self.client.transport.get_write_buffer_size()
        # What waits is known exactly only while the client is there, and with TLS it is
        # counted encrypted, which is more.
        self._delivered = max(self._delivered, self.origin.count - waiting)
        return self.client.count, self._delivered

    def side_ended(self, side: Relay) -> None:
        """Pass an end of stream on, and close when it was the second."""
        if not side.peer.ended:
            side.peer.finish()
            self._since = time.monotonic()
            return
        self._last_direction_ended()
        for relay in (side, side.peer):
            if not relay.gone:
                relay.transport.close()  # after all that is buffered

    def side_gone(self, side: Relay) -> None:
        """Read the other side to its end for a short while, or end the tunnel."""
        other = side.peer
        self._last_direction_ended()
        if side is self.client:
            # The transport has forgotten by now. What waited can only have become less,
            # so a client that went is never charged for what it did not get.
            self._undelivered = side.held
        if other.gone:
            self._tell_ended()
            self._release()
            return
        self._deadline = time.monotonic() + self.limits.linger_seconds
        if other.ended:
            other.transport.close()
            return
        # Closing with unread input would make the kernel send RST, and the peer could
        # lose the last frames: shut down writing, read and discard, close.
        other.finish()
        other.write = other.discard
        other.tap.resume_reading()

    def cut(self, reason: str) -> None:
        """End both sides now, whatever is buffered; the last reading comes first."""
        self.reason = self.reason or reason
        self._last_direction_ended()
        self._tell_ended()
        for relay in (self.client, self.origin):
            if not relay.gone:
                relay.transport.abort()

    def sweep(self, now: float) -> None:
        """End the tunnel when it has been quiet too long, or cannot close."""
        if self._deadline:
            if now >= self._deadline:
                self.cut("close")
            return
        seen = self.client.count + self.origin.count
        if seen != self._seen:
            self._seen = seen
            self._since = now
            return
        half_open = self.client.ended or self.origin.ended
        allowed = (
            self.limits.half_open_seconds if half_open else self.limits.idle_seconds
        )
        if now - self._since >= allowed:
            self.cut("half-open" if half_open else "idle")

    def _last_direction_ended(self) -> None:
        if not self.ended_at_ns:
            self.ended_at_ns = time.monotonic_ns()
            self._deadline = time.monotonic() + self.limits.close_seconds

    def _tell_ended(self) -> None:
        tell, self._ended = self._ended, None
        if tell is not None:
            tell(self)

    def _release(self) -> None:
        # Circles of references would pile up, for the collector runs seldom here.
        for relay in (self.client, self.origin):
            del relay.peer, relay.write, relay.tunnel
        del self.client, self.origin
