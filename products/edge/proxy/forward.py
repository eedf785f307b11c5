"""Ordinary HTTP: one request a connection, uncached, with no doubt about its end (R12).

Keeping connections for a second request would need both sides to agree where the first
one ended. Closing them makes most of request smuggling pointless.
"""

import asyncio
import contextlib

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.headers import Fields, RequestHead, answer_fields
from products.edge.proxy.client import ClientConnection
from products.edge.proxy.http1 import (
    LAST_CHUNK,
    BodyMalformed,
    BodyReader,
    ResponseHead,
    chunk,
    parse_response,
)
from products.edge.proxy.stream import (
    BufferedStream,
    HeadMalformed,
    HeadTooLarge,
    StreamClosed,
)
from products.edge.settings import Limits

_MAX_INTERIM_RESPONSES = 10
_NO_CONTENT = 204
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})


class ResponseTruncated(Exception):
    """The answer broke off after its head was sent: only closing can say so."""


def framing_fields(head: RequestHead) -> Fields:
    """Give the fields that frame an ordinary request on its way to the origin."""
    fields: Fields = [(b"Connection", b"close")]
    if head.body_bytes is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif head.body_bytes or head.method in _BODY_METHODS:
        fields.append((b"Content-Length", b"%d" % head.body_bytes))
    return fields


async def forward_request(
    client: ClientConnection,
    origin: BufferedStream,
    head: RequestHead,
    limits: Limits,
) -> None:
    """Carry the request's body and the answer; the request's head has been sent.

    Raises ErrorResponse while nothing was answered, then Cut or StreamClosed.
    """
    if head.body_bytes == 0:
        response = await read_response(origin, limits, head, client)
        await relay_response(client, origin, head, response)
        return
    sending = asyncio.ensure_future(_send_body(client, origin, head))
    try:
        response = await read_response(origin, limits, head, client)
        await relay_response(client, origin, head, response)
    except ErrorResponse as refusal:
        if isinstance(origin.failure, BodyMalformed):
            raise ErrorResponse(EdgeError.BODY_MALFORMED) from refusal
        raise
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def read_response(
    origin: BufferedStream,
    limits: Limits,
    head: RequestHead,
    client: ClientConnection | None,
    raw: list[bytes] | None = None,
) -> ResponseHead:
    """Read the head of the final answer; interim ones go to the client, if given.

    The heads as they came are added to `raw`. Raises ErrorResponse.
    """
    for _ in range(_MAX_INTERIM_RESPONSES):
        text = await _read_head(origin, limits.head_bytes)
        if raw is not None:
            raw.append(text)
        response = parse_response(text, max_fields=limits.head_lines)
        if not response.is_interim:
            return response
        if client is not None and head.is_http11:
            fields = answer_fields(response.fields, response.connection)
            await client.write(_head_bytes(response, fields))
    raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)


async def relay_response(
    client: ClientConnection,
    origin: BufferedStream,
    head: RequestHead,
    response: ResponseHead,
) -> None:
    """Pass an answer on, framed anew, as the last of its connection.

    Raises ErrorResponse for a 101 that was not asked for, Cut when the answer breaks off.
    """
    if response.is_switching:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)
    body = response.body(head.method)
    in_chunks = head.is_http11 and not body.is_sized
    fields = answer_fields(response.fields, response.connection)
    if in_chunks:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif response.length is not None and response.status != _NO_CONTENT:
        fields.append((b"Content-Length", b"%d" % response.length))
    fields.append((b"Connection", b"close"))
    client.count_request()
    await _write(client, _head_bytes(response, fields))
    while not body.done:
        payload = await _next_payload(origin, body)
        if payload is None:
            break
        await _write(client, chunk(payload) if in_chunks else payload)
    if in_chunks:
        await _write(client, LAST_CHUNK)


async def _next_payload(origin: BufferedStream, body: BodyReader) -> bytes | None:
    """Read on; None when the connection's end is the body's, too."""
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
    client: ClientConnection,
    origin: BufferedStream,
    head: RequestHead,
) -> None:
    body = (
        BodyReader.chunked()
        if head.body_bytes is None
        else BodyReader.sized(head.body_bytes)
    )
    try:
        await _pass_body(client, origin, body)
    except BodyMalformed as error:
        origin.fail(error)
    except StreamClosed as error:
        # An origin that stopped reading may still answer; a client that went cannot.
        if client.lost:
            origin.fail(error)


async def _pass_body(
    client: ClientConnection,
    origin: BufferedStream,
    body: BodyReader,
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
    raise BodyMalformed  # it ended before its time


async def _read_head(origin: BufferedStream, most_bytes: int) -> bytes:
    try:
        return await origin.read_head(most_bytes)
    except HeadTooLarge as error:
        raise ErrorResponse(
            EdgeError.ORIGIN_HEADERS_TOO_LARGE, limit=most_bytes
        ) from error
    except HeadMalformed as error:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP) from error
    except StreamClosed as error:
        if isinstance(origin.failure, TimeoutError):
            raise ErrorResponse(EdgeError.ORIGIN_TIMEOUT) from error
        raise ErrorResponse(EdgeError.ORIGIN_CLOSED) from error


def _head_bytes(response: ResponseHead, fields: Fields) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (response.status, response.reason)]
    lines += [b"%s: %s" % field for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
