"""HTTP/1.1 as the embedded engine reads it: request heads, response heads, message bodies.

llhttp reads all of them, through httptools and without any of its lenient flags. On top of
that, the engine checks what llhttp accepts and another server could read differently:

- The request line and the status line have single spaces and no control characters, and
  the version is 1.0 or 1.1.
- There is exactly one Host field, and an absolute target names the same host.
- Content-Length is one number. The only transfer coding is `chunked`, once, in HTTP/1.1,
  and without Content-Length.
- No field differs from a protected one only by underscores.
- The methods CONNECT and TRACE are not supported.
- The number of fields, and the length of chunk extensions and trailers, are limited.
"""

import functools
import re
from dataclasses import dataclass
from http import HTTPStatus

import httptools

from products.edge.errors import EdgeError, ErrorResponse
from products.edge.headers import Fields, NamedFields, RequestHead, is_protected
from products.protocol import FIELD_VALUE_CHARACTERS, MAX_HOST_LENGTH, MAX_PORT, TCHAR

_REQUEST_LINE = re.compile(
    rb"([%s]+) ([\x21-\x7e]+) HTTP/1\.([01])\r\n" % TCHAR.encode()
)
_STATUS_LINE = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([%s]*))?\r\n"
    % FIELD_VALUE_CHARACTERS.encode()
)
_HOST = re.compile(
    rb"([A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,%d})|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    % (MAX_HOST_LENGTH - 1)
)
_ABSOLUTE = re.compile(rb"([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]+)([/?][^#]*)?")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
_LENGTH = re.compile(rb"[0-9]{1,18}")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_UNSUPPORTED_METHODS = frozenset({b"CONNECT", b"TRACE"})
# Numbers, because an enumeration takes longer to find its member.
_OK, SWITCHING_PROTOCOLS = HTTPStatus.OK.value, HTTPStatus.SWITCHING_PROTOCOLS.value
_STATUSES_WITHOUT_BODY = frozenset({204, 304})
_MAX_FRAMING_BYTES = 8 * 1024  # of chunk sizes, extensions and trailers in a row

LAST_CHUNK = b"0\r\n\r\n"


class BodyMalformed(Exception):
    """The body does not follow its framing."""


@dataclass(slots=True)
class ResponseHead:
    """A well-formed response head."""

    raw: bytes  # as the origin sent it
    status: int
    reason: bytes
    fields: Fields
    length: int | None  # Content-Length, None without one
    is_chunked: bool
    connection: frozenset[bytes]  # tokens of Connection, in lower case
    upgrade: frozenset[bytes]  # protocols named in Upgrade, in lower case

    @property
    def is_interim(self) -> bool:
        """Whether the final response is still to come."""
        return self.status < _OK and self.status != SWITCHING_PROTOCOLS

    @property
    def opens_websocket(self) -> bool:
        """Whether this response opens a tunnel (RFC 6455, 4.2.2).

        It ends with its head, whatever its fields say of a body (RFC 9112, 6.3).
        """
        return (
            self.status == SWITCHING_PROTOCOLS
            and self.upgrade == {b"websocket"}
            and b"upgrade" in self.connection
        )

    def body(self, method: bytes) -> "BodyReader":
        """Return the reader for the body that follows (RFC 9112, 6.3)."""
        if method == b"HEAD" or self.status in _STATUSES_WITHOUT_BODY:
            return BodyReader(0)
        is_framed = self.is_chunked or self.length is not None
        return BodyReader(self.length, ends_with_connection=not is_framed)


class BodyReader:
    """Separates a body's payload from its framing, and finds its end.

    Chunk extensions and trailers are dropped. What follows the end is ignored.
    """

    __slots__ = ("_framing_bytes", "_parser", "_received", "length")

    def __init__(
        self, length: int | None, *, ends_with_connection: bool = False
    ) -> None:
        """Expect a body of `length` bytes; None if it is chunked, or ends with its connection."""
        self.length = length
        self._received = _PayloadReader()
        self._received.is_complete = length == 0
        self._framing_bytes = 0
        self._parser = None
        if not ends_with_connection and length != 0:
            self._parser = httptools.HttpRequestParser(self._received)
            framing = b"Transfer-Encoding: chunked"
            if length is not None:
                framing = b"Content-Length: %d" % length
            self._parser.feed_data(
                b"POST / HTTP/1.1\r\nConnection: close\r\n%s\r\n\r\n" % framing
            )

    @property
    def done(self) -> bool:
        """Whether the body has ended by its framing."""
        return self._received.is_complete

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body."""
        return self._parser is None

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`. Raises BodyMalformed."""
        received = self._received
        if received.is_complete:
            return b""
        if self._parser is None:
            return data
        received.pieces = []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # After the end, the parser can only object to what follows the body.
            if not received.is_complete:
                raise BodyMalformed from error
        self._framing_bytes = 0 if received.pieces else self._framing_bytes + len(data)
        if self._framing_bytes > _MAX_FRAMING_BYTES and not received.is_complete:
            raise BodyMalformed
        return b"".join(received.pieces)


def parse_request(head: bytes, *, max_fields: int = 100) -> RequestHead:
    """Read a request head that ends with its empty line. Raises ErrorResponse."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise ErrorResponse(EdgeError.REQUEST_LINE)
    method, target, minor_version = line.groups()
    if method in _UNSUPPORTED_METHODS:
        raise ErrorResponse(EdgeError.METHOD_NOT_SUPPORTED)
    read = _read_fields(httptools.HttpRequestParser, head, EdgeError.REQUEST_MALFORMED)
    if len(read.fields) > max_fields:
        raise ErrorResponse(EdgeError.TOO_MANY_FIELDS, limit=max_fields)
    named = read.named
    if b"_" in head and any(b"_" in name and is_protected(name) for name in named):
        raise ErrorResponse(EdgeError.PROTECTED_LOOKALIKE)
    hosts = named.get(b"host", [])
    if len(hosts) != 1:
        raise ErrorResponse(EdgeError.HOST_COUNT)
    is_http11 = minor_version == b"1"
    length, is_chunked = _read_framing(named, is_http11=is_http11)
    return RequestHead(
        method=method,
        target=_origin_form(method, target, hosts[0]),
        is_http11=is_http11,
        fields=read.fields,
        host=normal_host(hosts[0]),
        host_field=hosts[0],
        body_bytes=None if is_chunked else length or 0,
        connection=_tokens(b",".join(named.get(b"connection", ()))),
        upgrade=_tokens(b",".join(named.get(b"upgrade", ()))),
        named=named,
    )


def require_handshake(head: RequestHead) -> None:
    """Check an opening handshake against RFC 6455, 4.2.1. Raises ErrorResponse.

    The origin must not read it as an ordinary request: that would let a client smuggle
    requests through the tunnel.
    """
    if head.method != b"GET" or not head.is_http11:
        raise ErrorResponse(EdgeError.HANDSHAKE_METHOD)
    if b"upgrade" not in head.connection:
        raise ErrorResponse(EdgeError.HANDSHAKE_CONNECTION)
    if head.body_bytes != 0:
        raise ErrorResponse(EdgeError.HANDSHAKE_BODY)
    if head.named.get(b"sec-websocket-version") != [b"13"]:
        raise ErrorResponse(EdgeError.HANDSHAKE_VERSION)
    keys = head.named.get(b"sec-websocket-key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise ErrorResponse(EdgeError.HANDSHAKE_KEY)


@functools.lru_cache(maxsize=4096)
def normal_host(field: bytes) -> str:
    """Return a Host field's name in lower case, without port and trailing dot.

    Raises ErrorResponse when it is not a host.
    """
    match = _HOST.fullmatch(field)
    if match is None or not 0 < int(match[2] or b"1") <= MAX_PORT:
        raise ErrorResponse(EdgeError.HOST_INVALID)
    return match[1].decode("ascii").lower().removesuffix(".")


def parse_response(head: bytes, *, max_fields: int = 100) -> ResponseHead:
    """Read a response head that ends with its empty line. Raises ErrorResponse (502)."""
    line = _STATUS_LINE.match(head)
    if line is None:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP)
    read = _read_fields(httptools.HttpResponseParser, head, EdgeError.ORIGIN_NOT_HTTP)
    if len(read.fields) > max_fields:
        raise ErrorResponse(EdgeError.ORIGIN_TOO_MANY_FIELDS, limit=max_fields)
    try:
        length, is_chunked = _read_framing(read.named, is_http11=line[1] == b"1")
    except ErrorResponse as error:
        raise ErrorResponse(EdgeError.ORIGIN_NOT_HTTP) from error
    return ResponseHead(
        raw=head,
        status=int(line[2]),
        reason=line[3] or b"",
        fields=read.fields,
        length=length,
        is_chunked=is_chunked,
        connection=_tokens(b",".join(read.named.get(b"connection", ()))),
        upgrade=_tokens(b",".join(read.named.get(b"upgrade", ()))),
    )


def chunk(payload: bytes) -> bytes:
    """Write a payload as one chunk; nothing for an empty one, which would end the body."""
    return b"%x\r\n%s\r\n" % (len(payload), payload) if payload else b""


class _PayloadReader:
    """Receives what llhttp finds in a body.

    It is not the BodyReader itself, because that and its parser would refer to each other,
    and the garbage collector runs rarely in a worker.
    """

    __slots__ = ("is_complete", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True


class _FieldReader:
    """Receives the header fields that llhttp finds."""

    __slots__ = ("fields", "is_complete", "named")

    def __init__(self) -> None:
        self.fields: Fields = []
        self.named: NamedFields = {}
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp removes white space before a value only (RFC 9110, 5.5).
        value = value.rstrip(b" \t")
        self.fields.append((name, value))
        self.named.setdefault(name.lower(), []).append(value)

    def on_headers_complete(self) -> None:
        self.is_complete = True


def _read_fields(
    parser: type[httptools.HttpRequestParser | httptools.HttpResponseParser],
    head: bytes,
    malformed: EdgeError,
) -> _FieldReader:
    """Read the fields of a head. Raises ErrorResponse."""
    reader = _FieldReader()
    try:
        parser(reader).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # raised at the end of the head, because the message has no body
    except httptools.HttpParserError as error:
        raise ErrorResponse(malformed, reason=error) from error
    if not reader.is_complete:
        raise ErrorResponse(malformed, reason="The head is incomplete")
    return reader


def _origin_form(method: bytes, target: bytes, host_field: bytes) -> bytes:
    if target.startswith(b"/"):
        if b"#" in target:
            raise ErrorResponse(EdgeError.TARGET_FRAGMENT)
        return target
    if target == b"*" and method == b"OPTIONS":
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise ErrorResponse(EdgeError.TARGET_INVALID)
    default = _DEFAULT_PORTS[match[1].lower()]
    if match[2].lower().removesuffix(default) != host_field.lower().removesuffix(
        default
    ):
        raise ErrorResponse(EdgeError.TARGET_HOST)
    rest = match[3] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


def _read_framing(named: NamedFields, *, is_http11: bool) -> tuple[int | None, bool]:
    """Return the Content-Length, None without one, and whether the body is chunked.

    Raises ErrorResponse, as for a request.
    """
    lengths = named.get(b"content-length", [])
    codings = named.get(b"transfer-encoding", [])
    if lengths and codings:
        raise ErrorResponse(EdgeError.LENGTH_AND_CODING)
    if codings and (not is_http11 or [one.lower() for one in codings] != [b"chunked"]):
        raise ErrorResponse(EdgeError.TRANSFER_CODING)
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise ErrorResponse(EdgeError.CONTENT_LENGTH)
    return int(lengths[0]) if lengths else None, bool(codings)


@functools.lru_cache(maxsize=16)  # few differ, and a client can send long ones
def _tokens(values: bytes) -> frozenset[bytes]:
    """Split comma-separated values into lower-case tokens."""
    return frozenset(map(bytes.strip, values.lower().split(b","))) - {b""}
