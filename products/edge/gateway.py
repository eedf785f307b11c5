"""Accepts connections within limits, reads their requests, and answers for all errors."""

import asyncio
import functools
import logging
import time
from collections import Counter
from http import HTTPStatus

from products.edge.answers import Refusal, malformed
from products.edge.carriage import Carriage
from products.edge.handshake import parse_request
from products.edge.meter import Meter
from products.edge.plain import Cut
from products.edge.settings import Limits
from products.edge.visit import Lingering, Visit, last_word
from products.edge.wire import HeadMalformed, HeadTooLarge, Wire, WireClosed

log = logging.getLogger(__name__)

_LAST_REFUSALS = 64  # descriptors kept to say 503 with, before one only hangs up


class Gateway:
    """Everybody who has connected and is not yet in a tunnel."""

    def __init__(self, limits: Limits, carriage: Carriage, meter: Meter) -> None:
        """Answer nobody yet; `make_wire` is the listener's protocol factory."""
        self.visits: set[Visit] = set()
        self.lingering: set[Lingering] = set()
        self.refused = 0  # for want of room
        self._limits = limits
        self._carriage = carriage
        self._meter = meter
        self._handshakes = 0
        self._by_client: Counter[str] = Counter()

    def make_wire(self) -> Wire:
        """Make the protocol of a new connection."""
        return Wire(self._limits.early_bytes, self._arrived)

    @property
    def descriptors(self) -> int:
        """How many file descriptors all connections may hold."""
        pairs = len(self.visits) + len(self._carriage.tunnels)
        return 2 * pairs + len(self.lingering)

    def sweep(self, now: float) -> None:
        """Expire what has taken too long; `now` is the monotonic clock."""
        for visit in [visit for visit in self.visits if now >= visit.deadline]:
            visit.expire()
        for rest in [rest for rest in self.lingering if now >= rest.deadline]:
            rest.transport.abort()

    def hang_up(self) -> None:
        """End every visit at once."""
        for visit in list(self.visits):
            if visit.task is not None:
                visit.task.cancel()
            visit.wire.transport.abort()

    def _arrived(self, wire: Wire) -> None:
        visit = Visit(wire, self._limits, self._meter, self._settled)
        refusal = self._no_room(visit.client)
        if refusal is not None:
            self._turn_away(wire, refusal)
            return
        self._handshakes += 1
        self._by_client[visit.client] += 1
        self.visits.add(visit)
        wire.on_first = functools.partial(self._begin, visit)

    def _begin(self, visit: Visit) -> None:
        loop = asyncio.get_running_loop()
        visit.task = loop.create_task(self._serve(visit))

    def _no_room(self, client: str) -> Refusal | None:
        if (
            self._handshakes >= self._limits.handshakes
            or self.descriptors + 2 > self._limits.connections
        ):
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "This edge is full.")
        if self._by_client[client] >= self._limits.handshakes_per_address:
            return Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many requests from this address are waiting for an answer.",
            )
        return None

    def _turn_away(self, wire: Wire, refusal: Refusal) -> None:
        self.refused += 1
        if self.descriptors < self._limits.connections + _LAST_REFUSALS:
            self._last_word(wire, refusal.to_bytes())
        else:
            wire.transport.abort()

    async def _serve(self, visit: Visit) -> None:
        try:
            if not await self._answer(visit):
                self._last_word(visit.wire, b"")
        except Refusal as refusal:
            with_body = visit.method != b"HEAD"
            self._last_word(visit.wire, refusal.to_bytes(with_body=with_body))
        except (Cut, WireClosed):
            # Half an answer must not look like a whole one.
            visit.wire.transport.abort()
        except Exception:
            # One connection's fault must end that connection alone.
            log.exception("A connection failed.")
            visit.wire.transport.abort()
        finally:
            visit.settle()
            self.visits.discard(visit)
            visit.origin = None

    async def _answer(self, visit: Visit) -> bool:
        raw = await self._read_head(visit)
        visit.arrived_bytes = len(raw)
        head = parse_request(raw, most_lines=self._limits.head_lines)
        return await self._carriage.carry(visit, head)

    async def _read_head(self, visit: Visit) -> bytes:
        try:
            return await visit.wire.read_head(self._limits.head_bytes)
        except HeadTooLarge as error:
            raise Refusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request's head is longer than {self._limits.head_bytes} bytes.",
            ) from error
        except HeadMalformed as error:
            raise malformed("What came is not a request of HTTP/1.1.") from error
        except WireClosed as error:
            if visit.expired:
                raise Refusal(
                    HTTPStatus.REQUEST_TIMEOUT, "The request did not come in time."
                ) from error
            raise

    def _last_word(self, wire: Wire, data: bytes) -> None:
        deadline = time.monotonic() + self._limits.linger_seconds
        last_word(wire, data, deadline, self.lingering)

    def _settled(self, visit: Visit) -> None:
        self._handshakes -= 1
        self._by_client[visit.client] -= 1
        if not self._by_client[visit.client]:
            del self._by_client[visit.client]
