"""Handles requests: upgrades WebSockets into tunnels, forwards ordinary HTTP.

Ordinary HTTP is one request per connection, uncached (R12). Both sides would need to agree
where a first request ended before they could exchange a second; closing the connections makes
most of request smuggling pointless.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from products.edge.access_log import AccessLog, LoggedRequest
from products.edge.errors import EdgeError, ErrorResponse
from products.edge.headers import (
    Fields,
    RequestHead,
    request_bytes,
    request_fields,
    require_no_loop,
    response_fields,
)
from products.edge.proxy.client import ClientConnection
from products.edge.proxy.http1 import (
    LAST_CHUNK,
    SWITCHING_PROTOCOLS,
    BodyMalformed,
    BodyReader,
    ResponseHead,
    chunk,
    parse_response,
    require_handshake,
)
from products.edge.proxy.origin import OriginConnector
from products.edge.proxy.stream import BufferedStream, StreamClosed
from products.edge.proxy.tunnel import Tunnel, TunnelLimiter
from products.edge.revocation import RevocationPolicy
from products.edge.settings import Limits
from products.edge.table import PreparedRoute, RouteIndex
from products.edge.usage.meter import UsageMeter
from products.edge.usage.store import StoreUnwritable

_HANDSHAKE_FIELDS: Fields = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
_MAX_INTERIM_RESPONSES = 10
_NO_CONTENT = 204
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})


class RequestHandler:
    """The route table at work, for every request and for the tunnels that are open."""

    def __init__(
        self,
        limits: Limits,
        connector: OriginConnector,
        meter: UsageMeter,
        access_log: AccessLog,
    ) -> None:
        """Reject all requests until there are routes."""
        self.routes: RouteIndex | None = None
        self.accepts_websockets = True  # false while usage cannot be recorded
        self._limits = limits
        self._connector = connector
        self._meter = meter
        self._log = access_log
        self._revocation = RevocationPolicy(limits.removed_grace_seconds)
        self._limiter = TunnelLimiter(limits)
        self.rejected = 0  # upgrades above a limit
        self._on_tunnel_end = self._tunnel_ended  # one bound method for all tunnels

    @property
    def tunnels(self) -> list[Tunnel]:
        """All tunnels that are open."""
        counted = self._meter.open.values()
        return [one.tunnel for one in counted if isinstance(one.tunnel, Tunnel)]

    async def handle(self, client: ClientConnection) -> bool:
        """Handle a client's request; True when it became a tunnel.

        Upgrades need WebSockets to be on; ordinary requests do not (R12). Raises
        ErrorResponse while nothing was sent to the client, then BodyMalformed or StreamClosed.
        """
        client.prepared = self._route_of(client.head.host)
        if client.server_name not in ("", client.head.host):
            raise ErrorResponse(EdgeError.MISDIRECTED)
        require_no_loop(client.head, client.prepared.loop)
        if b"websocket" in client.head.upgrade:
            return await self._upgrade(client)
        await self._forward(client)
        return False

    def enforce(self, now: float) -> None:
        """Close the tunnels of services that may no longer have them (R12).

        `now` is the wall clock in seconds.
        """
        if self.routes is None:
            return
        revoked = self._revocation.must_close(
            self._limiter.by_service, self.routes.by_service, now
        )
        if revoked:
            for tunnel in self.tunnels:
                if tunnel.service in revoked:
                    tunnel.close_now()

    def _route_of(self, host: str) -> PreparedRoute:
        if self.routes is None:
            raise ErrorResponse(EdgeError.NO_ROUTE_TABLE)
        prepared = self.routes.find(host)
        if prepared is None:
            raise ErrorResponse(EdgeError.HOST_UNKNOWN, host=host)
        return prepared

    def _require_entitled(self, client: ClientConnection) -> None:
        if not client.prepared.route.websockets:
            sentence = client.prepared.route.refusal_sentence
            self._note(client, refused=sentence)
            raise ErrorResponse(EdgeError.WEBSOCKETS_REFUSED, reason=sentence)

    async def _forward(self, client: ClientConnection) -> None:
        hop = _framing_fields(client.head)
        origin = await self._request(client, hop, self._limits.response_seconds)
        client.end_handshake()
        self._note(client)
        sending = asyncio.ensure_future(_send_body(client, origin))
        try:
            interim_to = client if client.head.is_http11 else None
            response = await _read_response(origin, self._limits, interim_to)
            await _relay_response(client, origin, response)
        finally:
            sending.cancel()
            origin.transport.abort()

    async def _upgrade(self, client: ClientConnection) -> bool:
        """Shake hands with the origin; True if that opened a tunnel."""
        require_handshake(client.head)
        self._require_entitled(client)
        if not self.accepts_websockets:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED)
        route = client.prepared.route
        try:
            self._limiter.take(route)
        except ErrorResponse as error:
            self.rejected += 1
            self._note(client, refused=error.sentence)
            raise
        origin = None
        is_tunnel = False
        try:
            origin = await self._request(
                client, _HANDSHAKE_FIELDS, self._limits.head_seconds
            )
            response = await _read_response(origin, self._limits)
            if response.opens_websocket:
                await self._open_tunnel(client, origin, response)
                is_tunnel = True
            else:
                # Neither billed nor logged as a connection. Nothing that the client sends
                # after it reaches the origin.
                await _relay_response(client, origin, response)
        finally:
            if not is_tunnel:
                self._limiter.release(route.service, route.account)
                if origin is not None:
                    origin.transport.abort()
        return is_tunnel

    async def _request(
        self, client: ClientConnection, hop: Fields, seconds: float
    ) -> BufferedStream:
        """Connect to the origin, send it the head, and allow it so many seconds to respond."""
        prepared, route, head = client.prepared, client.prepared.route, client.head
        if route.origin is None:
            raise ErrorResponse(EdgeError.NO_ORIGIN)
        scheme = "https" if client.is_tls else "http"
        fields = request_fields(
            head, client=client.address, scheme=scheme, rules=prepared.rules
        )
        host = prepared.override_host or head.host_field
        request = request_bytes(head, fields, host=host, hop=[*hop, prepared.loop])
        client.allow(self._limits.connect_seconds, EdgeError.ORIGIN_TIMEOUT)
        origin = await self._connector.connect(route.origin, account=route.account)
        client.allow(seconds, EdgeError.ORIGIN_TIMEOUT)
        origin.transport.write(request)
        return origin

    async def _open_tunnel(
        self, client: ClientConnection, origin: BufferedStream, response: ResponseHead
    ) -> None:
        # The table may have changed meanwhile. If the service has a new origin, this
        # connection still counts as its own; if the host has a new service, it does not.
        before = client.prepared.route
        client.prepared = self._route_of(client.head.host)
        if client.prepared.route.service != before.service:
            raise ErrorResponse(EdgeError.HOST_MOVED, host=client.head.host)
        self._require_entitled(client)
        try:
            counted = await self._meter.begin(
                client.prepared.route, client.head_bytes, len(response.raw)
            )
        except StoreUnwritable as error:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED) from error
        tunnel = Tunnel(before, self._limits, counted.number, self._on_tunnel_end)
        tunnel.start(client, origin, client.head_bytes, response.raw)
        counted.tunnel = tunnel
        counted.from_client = counted.to_client = 0  # the tunnel has these numbers
        self._note(client)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        self._limiter.release(tunnel.service, tunnel.account)
        self._meter.end(tunnel.number)
        # Otherwise it waits for the next part of a tick, with those of other tunnels.
        if not (tunnel.client.gone and tunnel.origin.gone):
            self._meter.flush()  # before the edge closes it

    def _note(self, client: ClientConnection, *, refused: str = "") -> None:
        at_us = time.time_ns() // 1000
        route, head, address = client.prepared.route, client.head, client.address
        asked = head.method, head.target, head.host, head.named
        self._log.note(LoggedRequest(route, at_us, address, *asked, refused))


def _framing_fields(head: RequestHead) -> Fields:
    """Return the fields that frame an ordinary request on its way to the origin."""
    fields: Fields = [(b"Connection", b"close")]
    if head.body_bytes is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif head.body_bytes or head.method in _BODY_METHODS:
        fields.append((b"Content-Length", b"%d" % head.body_bytes))
    return fields


async def _read_response(
    origin: BufferedStream, limits: Limits, interim_to: ClientConnection | None = None
) -> ResponseHead:
    """Read the head of the final response, relaying interim ones. Raises ErrorResponse."""
    for _ in range(_MAX_INTERIM_RESPONSES):
        try:
            raw = await origin.read_head(limits.head_bytes)
        except StreamClosed as error:
            raise ErrorResponse(EdgeError.ORIGIN_CLOSED) from error
        response = parse_response(raw, max_fields=limits.head_lines)
        if not response.is_interim:
            return response
        if interim_to is not None:
            fields = response_fields(response.fields, response.connection)
            await interim_to.write(_head_bytes(response, fields))
    raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)


async def _relay_response(
    client: ClientConnection, origin: BufferedStream, response: ResponseHead
) -> None:
    """Send a response to the client, with new framing, as the last of its connection.

    Raises ErrorResponse for a 101 that opens no tunnel, and BodyMalformed or StreamClosed when
    the response breaks off.
    """
    if response.status == SWITCHING_PROTOCOLS:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)
    body = response.body(client.head.method)
    in_chunks = client.head.is_http11 and body.length is None
    fields = response_fields(response.fields, response.connection)
    if in_chunks:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif response.length is not None and response.status != _NO_CONTENT:
        fields.append((b"Content-Length", b"%d" % response.length))
    if response.status == HTTPStatus.UPGRADE_REQUIRED:
        # RFC 9110, 15.5.22: a 426 names a protocol. The edge offers this one, whatever the origin does.
        fields += [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade, close")]
    else:
        fields.append((b"Connection", b"close"))
    client.count_request()
    await client.send(_head_bytes(response, fields))
    await _relay_body(origin.read_some, body, client.send, in_chunks=in_chunks)


async def _send_body(client: ClientConnection, origin: BufferedStream) -> None:
    """Send the request's body to the origin; a fault in it ends the request."""
    body = BodyReader(client.head.body_bytes)
    try:
        await _relay_body(
            client.receive, body, origin.write, in_chunks=body.length is None
        )
    except BodyMalformed:
        client.stop(EdgeError.BODY_MALFORMED)
    except StreamClosed:
        pass  # an origin that stopped reading may still respond


async def _relay_body(
    read: Callable[[], Awaitable[bytes]],
    body: BodyReader,
    write: Callable[[bytes], Awaitable[None]],
    *,
    in_chunks: bool,
) -> None:
    """Pass a body on. Raises BodyMalformed, also if it ends too early, and StreamClosed."""
    while not body.done:
        data = await read()
        if not data and not body.ends_with_connection:
            raise BodyMalformed
        if not data:
            break
        payload = body.feed(data)
        await write(chunk(payload) if in_chunks else payload)
    if in_chunks:
        await write(LAST_CHUNK)


def _head_bytes(response: ResponseHead, fields: Fields) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (response.status, response.reason)]
    lines += [b"%s: %s" % field for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
