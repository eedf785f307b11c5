"""Reads a request head strictly and judges the WebSocket handshake: bytes in, verdict out.

The grammar is RFC 9112 without its tolerances (no bare LF, no folding, no space before
a colon), for every tolerance is a place where two readers can differ. A head must
please the expressions here and llhttp in its strict mode.
"""

import functools
import re
from http import HTTPStatus

import httptools

from products.edge.errors import ErrorResponse, malformed
from products.edge.headers import Fields, NamedFields, RequestHead, fields_by_name
from products.protocol import (
    FIELD_VALUE_CHARACTERS,
    MAX_HOST_LENGTH,
    MAX_PORT,
    TCHAR,
)

_TOKEN = b"[%s]+" % TCHAR.encode()
_VALUE = b"[%s]*" % FIELD_VALUE_CHARACTERS.encode()
_HEAD = re.compile(
    rb"(%s) ([\x21-\x7e]+) HTTP/1\.([01])\r\n(?:%s:%s\r\n)*\r\n"
    % (_TOKEN, _TOKEN, _VALUE)
)
_HOST = re.compile(
    rb"([A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,%d})|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    % (MAX_HOST_LENGTH - 1)
)
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]+)([/?][^#]*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
# What a lenient reader could take for a field that decides where a message ends.
_LOOKALIKES = frozenset({b"content_length", b"transfer_encoding"})
_NOT_CARRIED = frozenset({b"CONNECT", b"TRACE"})
_USUAL_BYTES = 64  # of Connection and Upgrade
_NONE: frozenset[bytes] = frozenset()
_NOBODY = object()  # hears what llhttp finds; its verdict alone is wanted


def parse_request(head: bytes, *, most_lines: int = 100) -> RequestHead:
    """Read a head that ends with its empty line. Raises ErrorResponse when it is not strict."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise malformed(_what_is_wrong(head))
    method = match[1]
    if method in _NOT_CARRIED:
        raise ErrorResponse(
            HTTPStatus.METHOD_NOT_ALLOWED, "This method is not carried."
        )
    is_http11 = match[3] == b"1"
    try:
        httptools.HttpRequestParser(_NOBODY).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        raise malformed("The request is not well-formed HTTP.") from error
    fields = fields_of(head)
    if len(fields) > most_lines:
        raise ErrorResponse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The request has more than {most_lines} header fields.",
        )
    return _assemble(method, match[2], fields, is_http11=is_http11)


def fields_of(head: bytes) -> Fields:
    """Split the field lines of a well-formed head."""
    fields = []
    for line in head.split(b"\r\n")[1:-2]:
        name, _, value = line.partition(b":")
        # Surrounding white space is no part of a value (RFC 9110, 5.5).
        fields.append((name, value.strip(b" \t")))
    return fields


def require_handshake(head: RequestHead) -> None:
    """Check an opening handshake against RFC 6455, 4.2.1. Raises ErrorResponse.

    Only a handshake in order goes to the origin: one that the origin may read as
    ordinary HTTP is how requests are smuggled through a tunnel.
    """
    if head.method != b"GET" or not head.is_http11:
        raise malformed("A WebSocket handshake is a GET request of HTTP/1.1.")
    if b"upgrade" not in head.connection:
        raise malformed("A WebSocket handshake needs “Connection: Upgrade”.")
    if head.body_bytes != 0:
        raise malformed("A WebSocket handshake has no body.")
    if head.values(b"sec-websocket-version") != [b"13"]:
        raise ErrorResponse(
            HTTPStatus.UPGRADE_REQUIRED,
            "Only version 13 of the WebSocket protocol is carried.",
            ("Sec-WebSocket-Version: 13", "Upgrade: websocket"),
        )
    keys = head.values(b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise malformed(
            "A WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes."
        )


def tokens(values: list[bytes] | None) -> frozenset[bytes]:
    """Split comma-separated values into lower-case tokens."""
    if not values:
        return _NONE
    joined = b",".join(values)
    # Long ones come once, and would only fill the memory.
    return _usual(joined) if len(joined) <= _USUAL_BYTES else _split(joined)


def _split(value: bytes) -> frozenset[bytes]:
    return frozenset(part.strip(b" \t") for part in value.lower().split(b",")) - {b""}


_usual = functools.lru_cache(maxsize=1024)(_split)


@functools.lru_cache(maxsize=4096)
def normal_host(field: bytes) -> str:
    """Give a Host field's name in lower case, without port and trailing dot.

    Raises ErrorResponse when it is not a host.
    """
    match = _HOST.fullmatch(field)
    if match is None or not 0 < int(match[2] or b"1") <= MAX_PORT:
        raise malformed("The Host field does not name a host.")
    return match[1].decode("ascii").lower().removesuffix(".")


def _assemble(
    method: bytes, target: bytes, fields: Fields, *, is_http11: bool
) -> RequestHead:
    named = fields_by_name(fields)
    if not _LOOKALIKES.isdisjoint(named):
        raise malformed("A header field imitates one that frames the message.")
    hosts = named.get(b"host", [])
    if len(hosts) != 1:
        raise malformed("The request must have exactly one Host field.")
    host = normal_host(hosts[0])
    return RequestHead(
        method=method,
        target=_origin_form(method, target, hosts[0]),
        is_http11=is_http11,
        fields=fields,
        host=host,
        host_field=hosts[0],
        body_bytes=_body_bytes(named, is_http11=is_http11),
        connection=tokens(named.get(b"connection")),
        upgrade=tokens(named.get(b"upgrade")),
        named=named,
    )


def _origin_form(method: bytes, target: bytes, host_field: bytes) -> bytes:
    if target.startswith(b"/"):
        if b"#" in target:
            raise malformed("The request's target has a fragment.")
        return target
    if target == b"*" and method == b"OPTIONS":
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise malformed("The request's target is neither a path nor an http URL.")
    if match[1].lower() != host_field.lower():
        raise malformed("The request's target and its Host field differ.")
    rest = match[2] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


def _body_bytes(named: NamedFields, *, is_http11: bool) -> int | None:
    lengths = named.get(b"content-length")
    codings = named.get(b"transfer-encoding")
    if lengths and codings:
        raise malformed("Content-Length and Transfer-Encoding exclude each other.")
    if codings:
        if not is_http11 or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise malformed("The only transfer coding is chunked, in HTTP/1.1, once.")
        return None
    if not lengths:
        return 0
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        raise malformed("Content-Length must be one whole number.")
    return int(lengths[0])


def _what_is_wrong(head: bytes) -> str:
    if b"\x00" in head:
        return "The request's head holds a null byte."
    if re.search(rb"(?<!\r)\n|\r(?!\n)", head):
        return "Lines of the request's head must end with CR LF."
    if re.search(rb"\r\n[ \t]", head):
        return "Folded header fields are not accepted."
    first = head.partition(b"\r\n")[0]
    if not re.fullmatch(rb"%s [\x21-\x7e]+ HTTP/1\.[01]" % _TOKEN, first):
        return "The request line is not that of HTTP/1.1."
    return "A header field of the request is not well-formed."
