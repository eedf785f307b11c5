"""Carries an admitted request: a WebSocket into a tunnel, all else as ordinary HTTP."""

import asyncio
import logging
import time
from collections import Counter

from products.edge.access_log import AccessLog
from products.edge.contract import Route
from products.edge.errors import EdgeError, ErrorResponse
from products.edge.headers import (
    Fields,
    RequestHead,
    request_bytes,
    request_fields,
    require_no_loop,
)
from products.edge.proxy.client import ClientConnection
from products.edge.proxy.forward import (
    forward_request,
    framing_fields,
    read_response,
    relay_response,
)
from products.edge.proxy.http1 import ResponseHead, require_handshake
from products.edge.proxy.origin import OriginConnector
from products.edge.proxy.stream import BufferedStream, StreamClosed
from products.edge.proxy.tunnel import Tunnel
from products.edge.revocation import RevocationPolicy
from products.edge.settings import Limits
from products.edge.table import PreparedRoute, RouteIndex
from products.edge.usage.meter import UsageMeter
from products.edge.usage.store import StoreUnwritable

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.02  # tunnels that end within it are written in one go
_HANDSHAKE_FIELDS: Fields = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]


class RequestHandler:
    """The way from an admitted request to its origin, and all tunnels that are open."""

    def __init__(
        self,
        limits: Limits,
        connector: OriginConnector,
        meter: UsageMeter,
        access_log: AccessLog,
    ) -> None:
        """Carry nothing until there are routes."""
        self.routes: RouteIndex | None = None
        self.tunnels: dict[int, Tunnel] = {}
        self.accepts_websockets = True  # false while usage cannot be written
        self._limits = limits
        self._connector = connector
        self._meter = meter
        self._log = access_log
        self._per_service: Counter[str] = Counter()  # tunnels by service
        self._revocation = RevocationPolicy(limits.removed_grace_seconds)
        self._flush_is_due = False

    async def handle(self, client: ClientConnection, head: RequestHead) -> bool:
        """Carry a request; True when it became a tunnel. Raises ErrorResponse, Cut, StreamClosed.

        The entitlement gates the upgrade alone; ordinary HTTP passes (R12).
        """
        destination = self._destination(head.host)
        client.service = destination.route.service
        client.method = head.method
        require_no_loop(head, destination.loop)
        if not head.wants_websocket:
            await self._ordinary(client, head, destination)
            return False
        require_handshake(head)
        self._require_entitled(destination.route, client, head)
        return await self._handshake(client, head, destination)

    def apply(self, routes: RouteIndex, now: float) -> None:
        """Follow a new table, and close the tunnels that it revokes.

        `now` is the wall clock in seconds.
        """
        self.routes = routes
        self.enforce(now)

    def enforce(self, now: float) -> None:
        """Close the tunnels whose service may no longer have them (R12)."""
        routes = self.routes
        if routes is None:
            return
        reasons = self._revocation.must_close(self._per_service, routes.by_service, now)
        if not reasons:
            return
        for tunnel in list(self.tunnels.values()):
            if tunnel.service in reasons:
                tunnel.close_now(reasons[tunnel.service])

    def _destination(self, host: str) -> PreparedRoute:
        if self.routes is None:
            raise ErrorResponse(EdgeError.NO_ROUTE_TABLE)
        destination = self.routes.find(host)
        if destination is None:
            raise ErrorResponse(EdgeError.HOST_UNKNOWN, host=host)
        return destination

    def _require_entitled(
        self, route: Route, client: ClientConnection, head: RequestHead
    ) -> None:
        if route.websockets:
            return
        sentence = route.refusal or EdgeError.WEBSOCKETS_OFF.sentence()
        self._note(route, head, client, refused=sentence)
        raise ErrorResponse(EdgeError.WEBSOCKETS_REFUSED, reason=sentence)

    async def _ordinary(
        self, client: ClientConnection, head: RequestHead, destination: PreparedRoute
    ) -> None:
        origin = await self._connect(client, destination.route)
        try:
            client.waiting_for(origin, self._limits.response_seconds)
            self._send_head(client, head, destination, origin, framing_fields(head))
            client.end_handshake()
            self._note(destination.route, head, client)
            await forward_request(client, origin, head, self._limits)
        finally:
            origin.transport.abort()

    async def _handshake(
        self, client: ClientConnection, head: RequestHead, destination: PreparedRoute
    ) -> bool:
        if not self.accepts_websockets:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED)
        origin = await self._connect(client, destination.route)
        is_tunnel = False
        try:
            client.waiting_for(origin, self._limits.head_seconds)
            self._send_head(client, head, destination, origin, _HANDSHAKE_FIELDS)
            raw: list[bytes] = []
            response = await read_response(origin, self._limits, head, None, raw)
            if response.opens_websocket:
                await self._open(client, head, origin, raw[-1])
                is_tunnel = True
            else:
                await self._decline(client, head, origin, response)
        finally:
            if not is_tunnel:
                origin.transport.abort()
        return is_tunnel

    async def _connect(self, client: ClientConnection, route: Route) -> BufferedStream:
        if route.origin is None:
            raise ErrorResponse(EdgeError.NO_ORIGIN)
        client.connecting(self._limits.connect_seconds)
        try:
            return await self._connector.connect(route.origin, account=route.account)
        except asyncio.CancelledError:
            if not client.is_expired:
                raise
            raise ErrorResponse(EdgeError.ORIGIN_TIMEOUT) from None

    async def _decline(
        self,
        client: ClientConnection,
        head: RequestHead,
        origin: BufferedStream,
        response: ResponseHead,
    ) -> None:
        # Not a connection: neither billed nor logged as one, and nothing that the
        # client says after it reaches the origin.
        if response.is_switching:
            raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)
        await relay_response(client, origin, head, response)

    async def _open(
        self,
        client: ClientConnection,
        head: RequestHead,
        origin: BufferedStream,
        answer: bytes,
    ) -> None:
        # The table may have changed while the origin thought. A new origin of the same service
        # is a deploy like any other; of another service this origin is not the one to speak.
        route = self._destination(head.host).route
        if route.service != client.service:
            raise ErrorResponse(EdgeError.HOST_MOVED, host=head.host)
        self._require_entitled(route, client, head)
        _require_open(client)
        try:
            entry = await self._meter.begin(route, client.head_bytes, len(answer))
        except StoreUnwritable as error:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED) from error
        try:
            _require_open(client)
        except StreamClosed:
            self._meter.finish(entry.number)
            raise
        tunnel = Tunnel(route.service, self._limits, entry.number, self._tunnel_ended)
        tunnel.start(client, origin, client.head_bytes, answer)
        entry.tunnel = tunnel
        self.tunnels[entry.number] = tunnel
        self._per_service[route.service] += 1
        self._note(route, head, client)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        del self.tunnels[tunnel.number]
        self._per_service[tunnel.service] -= 1
        if not self._per_service[tunnel.service]:
            del self._per_service[tunnel.service]
        self._meter.end(tunnel.number)
        if tunnel.reason:
            self._meter.flush()  # before it is cut
        elif not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        self._meter.flush()

    def _send_head(
        self,
        client: ClientConnection,
        head: RequestHead,
        destination: PreparedRoute,
        origin: BufferedStream,
        hop: Fields,
    ) -> None:
        fields = request_fields(
            head, client=client.address, scheme=client.scheme, rules=destination.rules
        )
        host = destination.override_host or head.host_field
        hop = [*hop, destination.loop]
        origin.transport.write(request_bytes(head, fields, host=host, hop=hop))

    def _note(
        self,
        route: Route,
        head: RequestHead,
        client: ClientConnection,
        *,
        refused: str = "",
    ) -> None:
        at_us = time.time_ns() // 1000
        self._log.note(route, head, client=client.address, at_us=at_us, refused=refused)


def _require_open(stream: BufferedStream) -> None:
    if stream.ended or stream.failure is not None:
        raise StreamClosed
