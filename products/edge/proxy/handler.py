"""Handles requests: upgrades WebSockets into tunnels, forwards ordinary HTTP.

Ordinary HTTP is one request per connection, uncached (R12). Both sides would need to agree
where a first request ended before they could exchange a second; closing the connections makes
most of request smuggling pointless.
"""

import asyncio
import contextlib
import time
from http import HTTPStatus

from products.edge.access_log import AccessLog, LoggedRequest
from products.edge.contract import Route
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
    BodyMalformed,
    BodyReader,
    ResponseHead,
    chunk,
    parse_response,
    require_handshake,
)
from products.edge.proxy.origin import OriginConnector
from products.edge.proxy.stream import (
    BufferedStream,
    HeadMalformed,
    HeadTooLarge,
    StreamClosed,
)
from products.edge.proxy.tunnel import Tunnel, TunnelLimiter
from products.edge.revocation import RevocationPolicy
from products.edge.settings import Limits
from products.edge.table import PreparedRoute, RouteIndex
from products.edge.usage.database import StoreUnwritable
from products.edge.usage.meter import UsageMeter

_FLUSH_SECONDS = 0.02  # tunnels that end within this time are written together
_HANDSHAKE_FIELDS: Fields = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
_MAX_INTERIM_RESPONSES = 10
_NO_CONTENT = 204
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})


class ResponseTruncated(Exception):
    """The response broke off after its head was sent; only closing can tell the client."""


class RequestHandler:
    """The route table at work: every request, and all tunnels that are open."""

    def __init__(
        self,
        limits: Limits,
        connector: OriginConnector,
        meter: UsageMeter,
        access_log: AccessLog,
    ) -> None:
        """Reject all requests until there are routes."""
        self.routes: RouteIndex | None = None
        self.tunnels: dict[int, Tunnel] = {}
        self.accepts_websockets = True  # false while usage cannot be recorded
        self._limits = limits
        self._connector = connector
        self._meter = meter
        self._log = access_log
        self._revocation = RevocationPolicy(limits.removed_grace_seconds)
        self._limiter = TunnelLimiter(limits)
        self.rejected = 0  # upgrades above a limit
        self._flush_is_due = False
        self._on_tunnel_end = self._tunnel_ended  # one bound method for all tunnels

    async def handle(self, client: ClientConnection, head: RequestHead) -> bool:
        """Handle a request; True when it became a tunnel.

        Upgrades need WebSockets to be on; ordinary requests do not (R12). Raises
        ErrorResponse while nothing was sent to the client, then ResponseTruncated or
        StreamClosed.
        """
        prepared = self._route_of(head.host)
        if client.server_name not in ("", head.host):
            raise ErrorResponse(EdgeError.MISDIRECTED)
        client.service = prepared.route.service
        client.method = head.method
        require_no_loop(head, prepared.loop)
        if not head.wants_websocket:
            await self._forward(client, head, prepared)
            return False
        require_handshake(head)
        self._require_entitled(prepared.route, client, head)
        return await self._upgrade(client, head, prepared)

    def apply(self, routes: RouteIndex, now: float) -> None:
        """Follow a new route table; `now` is the wall clock in seconds."""
        self.routes = routes
        self.enforce(now)

    def enforce(self, now: float) -> None:
        """Close the tunnels of services that may no longer have them (R12)."""
        if self.routes is None:
            return
        revoked = self._revocation.must_close(
            self._limiter.services, self.routes.by_service, now
        )
        if revoked:
            for tunnel in list(self.tunnels.values()):
                if tunnel.service in revoked:
                    tunnel.close_now()

    def _route_of(self, host: str) -> PreparedRoute:
        if self.routes is None:
            raise ErrorResponse(EdgeError.NO_ROUTE_TABLE)
        prepared = self.routes.find(host)
        if prepared is None:
            raise ErrorResponse(EdgeError.HOST_UNKNOWN, host=host)
        return prepared

    def _require_entitled(
        self, route: Route, client: ClientConnection, head: RequestHead
    ) -> None:
        if route.websockets:
            return
        sentence = route.refusal_sentence
        self._note(route, head, client, refused=sentence)
        raise ErrorResponse(EdgeError.WEBSOCKETS_REFUSED, reason=sentence)

    async def _forward(
        self, client: ClientConnection, head: RequestHead, prepared: PreparedRoute
    ) -> None:
        origin = await self._connect(client, prepared.route)
        try:
            client.waiting_for(origin, self._limits.response_seconds)
            self._send_head(client, head, prepared, origin, _framing_fields(head))
            client.end_handshake()
            self._note(prepared.route, head, client)
            await _exchange(client, origin, head, self._limits)
        finally:
            origin.transport.abort()

    async def _upgrade(
        self, client: ClientConnection, head: RequestHead, prepared: PreparedRoute
    ) -> bool:
        """Shake hands with the origin; True if that opened a tunnel."""
        if not self.accepts_websockets:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED)
        self._take_tunnel(prepared.route, client, head)
        origin = None
        is_tunnel = False
        try:
            origin = await self._connect(client, prepared.route)
            client.waiting_for(origin, self._limits.head_seconds)
            self._send_head(client, head, prepared, origin, _HANDSHAKE_FIELDS)
            response = await _read_response(origin, self._limits)
            if response.opens_websocket:
                await self._open_tunnel(client, head, origin, response)
                is_tunnel = True
            else:
                # Neither billed nor logged as a connection. Nothing that the client sends
                # after it reaches the origin.
                await _relay_response(client, origin, head, response)
        finally:
            if not is_tunnel:
                self._limiter.release(prepared.route.service)
                if origin is not None:
                    origin.transport.abort()
        return is_tunnel

    def _take_tunnel(
        self, route: Route, client: ClientConnection, head: RequestHead
    ) -> None:
        try:
            self._limiter.take(route)
        except ErrorResponse as error:
            self.rejected += 1
            self._note(route, head, client, refused=error.sentence)
            raise

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

    async def _open_tunnel(
        self,
        client: ClientConnection,
        head: RequestHead,
        origin: BufferedStream,
        response: ResponseHead,
    ) -> None:
        # The table may have changed meanwhile. If the service has a new origin, this
        # connection still counts as its own; if the host has a new service, it does not.
        route = self._route_of(head.host).route
        if route.service != client.service:
            raise ErrorResponse(EdgeError.HOST_MOVED, host=head.host)
        self._require_entitled(route, client, head)
        _require_open(client)
        try:
            counted = await self._meter.begin(
                route, client.head_bytes, len(response.raw)
            )
        except StoreUnwritable as error:
            raise ErrorResponse(EdgeError.USAGE_NOT_RECORDED) from error
        number = counted.number
        try:
            _require_open(client)
        except StreamClosed:
            self._meter.finish(number)
            raise
        tunnel = Tunnel(route.service, self._limits, number, self._on_tunnel_end)
        tunnel.start(client, origin, client.head_bytes, response.raw)
        counted.tunnel = tunnel
        self.tunnels[number] = tunnel
        self._note(route, head, client)

    def _tunnel_ended(self, tunnel: Tunnel) -> None:
        del self.tunnels[tunnel.number]
        self._limiter.release(tunnel.service)
        self._meter.end(tunnel.number)
        if tunnel.is_closed_by_edge:
            self._meter.flush()  # before the connections are closed
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
        prepared: PreparedRoute,
        origin: BufferedStream,
        hop: Fields,
    ) -> None:
        fields = request_fields(
            head, client=client.address, scheme=client.scheme, rules=prepared.rules
        )
        host = prepared.override_host or head.host_field
        hop = [*hop, prepared.loop]
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
        request = LoggedRequest(
            client.address, head.method, head.target, head.host, head.named
        )
        self._log.note(route, request, at_us=at_us, refused=refused)


def _require_open(client: BufferedStream) -> None:
    if client.lost or client.failure is not None:
        raise StreamClosed


def _framing_fields(head: RequestHead) -> Fields:
    """Return the fields that frame an ordinary request on its way to the origin."""
    fields: Fields = [(b"Connection", b"close")]
    if head.body_bytes is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif head.body_bytes or head.method in _BODY_METHODS:
        fields.append((b"Content-Length", b"%d" % head.body_bytes))
    return fields


async def _exchange(
    client: ClientConnection, origin: BufferedStream, head: RequestHead, limits: Limits
) -> None:
    """Send a request's body and relay the response; the request's head has been sent."""
    sending = None
    if head.body_bytes != 0:
        sending = asyncio.ensure_future(_send_body(client, origin, head))
    try:
        response = await _read_response(
            origin, limits, interim_to=client if head.is_http11 else None
        )
        await _relay_response(client, origin, head, response)
    except ErrorResponse as error:
        if isinstance(origin.failure, BodyMalformed):
            raise ErrorResponse(EdgeError.BODY_MALFORMED) from error
        raise
    finally:
        if sending is not None:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending


async def _read_response(
    origin: BufferedStream,
    limits: Limits,
    *,
    interim_to: ClientConnection | None = None,
) -> ResponseHead:
    """Read the head of the final response, relaying interim ones. Raises ErrorResponse."""
    for _ in range(_MAX_INTERIM_RESPONSES):
        raw = await _read_head(origin, limits.head_bytes)
        response = parse_response(raw, max_fields=limits.head_lines)
        if not response.is_interim:
            return response
        if interim_to is not None:
            fields = response_fields(response.fields, response.connection)
            await interim_to.write(_head_bytes(response, fields))
    raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)


async def _read_head(origin: BufferedStream, max_bytes: int) -> bytes:
    try:
        return await origin.read_head(max_bytes)
    except HeadTooLarge as error:
        raise ErrorResponse(
            EdgeError.ORIGIN_HEADERS_TOO_LARGE, limit=max_bytes
        ) from error
    except HeadMalformed as error:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP) from error
    except StreamClosed as error:
        if isinstance(origin.failure, TimeoutError):
            raise ErrorResponse(EdgeError.ORIGIN_TIMEOUT) from error
        raise ErrorResponse(EdgeError.ORIGIN_CLOSED) from error


async def _relay_response(
    client: ClientConnection,
    origin: BufferedStream,
    head: RequestHead,
    response: ResponseHead,
) -> None:
    """Send a response to the client, with new framing, as the last of its connection.

    Raises ErrorResponse for a 101 that opens no tunnel, ResponseTruncated when the response
    breaks off.
    """
    if response.is_switching:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)
    body = response.body(head.method)
    in_chunks = head.is_http11 and not body.is_sized
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
    await _write(client, _head_bytes(response, fields))
    while not body.done:
        payload = await _read_payload(origin, body)
        if payload is None:
            break
        await _write(client, chunk(payload) if in_chunks else payload)
    if in_chunks:
        await _write(client, LAST_CHUNK)


async def _read_payload(origin: BufferedStream, body: BodyReader) -> bytes | None:
    """Read payload; None when the end of the connection ends the body."""
    try:
        data = await origin.read_some()
        payload = body.feed(data)
    except (StreamClosed, BodyMalformed) as error:
        raise ResponseTruncated from error
    if data:
        return payload
    if body.ends_with_connection:
        return None
    raise ResponseTruncated


async def _write(client: ClientConnection, data: bytes) -> None:
    await client.write(data)
    client.count(0, len(data))


async def _send_body(
    client: ClientConnection, origin: BufferedStream, head: RequestHead
) -> None:
    """Send the request's body to the origin; a fault in it fails the origin's stream."""
    body = (
        BodyReader.chunked()
        if head.body_bytes is None
        else BodyReader.sized(head.body_bytes)
    )
    try:
        await _relay_body(client, origin, body)
    except BodyMalformed as error:
        origin.fail(error)
    except StreamClosed as error:
        # An origin that stopped reading may still respond, unless the client is gone.
        if client.lost:
            origin.fail(error)


async def _relay_body(
    client: ClientConnection, origin: BufferedStream, body: BodyReader
) -> None:
    while data := await client.read_some():
        payload = body.feed(data)
        client.count(len(data), 0)
        if not body.is_sized:
            payload = chunk(payload) + (LAST_CHUNK if body.done else b"")
        if payload:
            await origin.write(payload)
        if body.done:
            return
    raise BodyMalformed  # it ended too early


def _head_bytes(response: ResponseHead, fields: Fields) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (response.status, response.reason)]
    lines += [b"%s: %s" % field for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
