"""Reads the head of an origin's answer, as strictly as that of a request."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from products.edge.errors import ErrorResponse
from products.edge.headers import Fields, fields_by_name
from products.edge.proxy.body import Body, Chunked, Sized, UntilEnd
from products.edge.proxy.http1 import fields_of, tokens
from products.protocol import FIELD_VALUE_CHARACTERS, TCHAR

_VALUE = FIELD_VALUE_CHARACTERS.encode()
_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([%s]*))?\r\n(?:[%s]+:[%s]*\r\n)*\r\n"
    % (_VALUE, TCHAR.encode(), _VALUE)
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_SWITCHING = 101
_FIRST_FINAL = 200
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(slots=True)
class ReplyHead:
    """A well-formed head of an answer."""

    status: int
    reason: bytes
    fields: Fields
    length: int | None  # Content-Length, where there is one
    is_chunked: bool
    connection: frozenset[bytes]
    upgrade: frozenset[bytes]

    @property
    def is_interim(self) -> bool:
        """Whether the real answer is still to come."""
        return self.status < _FIRST_FINAL and self.status != _SWITCHING

    @property
    def is_switch(self) -> bool:
        """Whether the origin says 101 at all, rightly or not."""
        return self.status == _SWITCHING

    @property
    def opens_websocket(self) -> bool:
        """Whether this is the one answer that opens a tunnel (RFC 6455, 4.2.2)."""
        return (
            self.status == _SWITCHING
            and self.upgrade == {b"websocket"}
            and b"upgrade" in self.connection
            and not self.is_chunked
            and not self.length
        )

    def body(self, method: bytes) -> Body:
        """Say where the body ends (RFC 9112, 6.3)."""
        if method == b"HEAD" or self.status in _WITHOUT_BODY:
            return Sized(0)
        if self.is_chunked:
            return Chunked()
        return UntilEnd() if self.length is None else Sized(self.length)


def parse_reply(head: bytes, *, most_lines: int) -> ReplyHead:
    """Read a head that ends with its empty line. Raises ErrorResponse (502)."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise not_http()
    fields = fields_of(head)
    if len(fields) > most_lines:
        raise ErrorResponse(
            HTTPStatus.BAD_GATEWAY,
            f"The origin's answer has more than {most_lines} header fields.",
        )
    named = fields_by_name(fields)
    lengths = named.get(b"content-length", [])
    codings = named.get(b"transfer-encoding", [])
    if codings and (
        lengths or match[1] == b"0" or [c.lower() for c in codings] != [b"chunked"]
    ):
        raise not_http()
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise not_http()
    return ReplyHead(
        status=int(match[2]),
        reason=match[3] or b"",
        fields=fields,
        length=int(lengths[0]) if lengths else None,
        is_chunked=bool(codings),
        connection=tokens(named.get(b"connection")),
        upgrade=tokens(named.get(b"upgrade")),
    )


def not_http() -> ErrorResponse:
    """Give the answer to a client whose origin did not speak HTTP/1.1."""
    return ErrorResponse(
        HTTPStatus.BAD_GATEWAY, "The origin's answer is not well-formed HTTP/1.1."
    )
