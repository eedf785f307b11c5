"""What an edge sends when it rejects a request, and other errors that modules share.

Both engines send the same status and sentence for the same error: the embedded engine as an
`ErrorResponse`, HAProxy through its configuration and maps.
"""

import json
from enum import Enum
from http import HTTPStatus

# Of a 426 (RFC 6455, 4.2.2; RFC 9110, 15.5.22).
_SUPPORTED = ("Sec-WebSocket-Version: 13", "Upgrade: websocket")
_MAX_SHOWN = 200  # bytes of an error response's body
# How a ContractError about a record starts.
_RECORD_PLACES = ("connections[", "delivery[")


class StartupError(Exception):
    """The edge cannot start; the message says why."""


class PortalUnreachable(Exception):
    """The portal did not respond, or not as agreed; it may do so later."""


class PortalErrorResponse(Exception):
    """The portal responded with an error status."""

    def __init__(self, status: int, body: bytes) -> None:
        shown = body[:_MAX_SHOWN].decode("utf-8", "replace")
        super().__init__(f"The portal responded with {status}: {shown}")
        self.status = status
        self.names_a_record = status == HTTPStatus.BAD_REQUEST and _detail_of(
            body
        ).startswith(_RECORD_PLACES)
        """Whether the portal says that it cannot read one of the records."""


class EdgeError(Enum):
    """Each error response of an edge: its status and its sentence. The member's name is its code."""

    # fmt: off
    # The request
    NOT_HTTP = (400, "The request is not valid HTTP/1.1.")
    REQUEST_MALFORMED = (400, "The request is not valid HTTP/1.1: {reason}.")
    CONTROL_CHARACTER = (400, "The request's headers contain a control character.")
    REQUEST_LINE = (400, "The request line is not that of HTTP/1.1.")
    PROTECTED_LOOKALIKE = (400, "A header field imitates a protected one.")
    HOST_COUNT = (400, "The request must have exactly one Host field.")
    HOST_INVALID = (400, "The Host field does not name a host.")
    TARGET_INVALID = (400, "The request's target is neither a path nor an http URL.")
    TARGET_FRAGMENT = (400, "The request's target has a fragment.")
    TARGET_USER = (400, "The request's target has a user name.")
    TARGET_HOST = (400, "The request's target and its Host field differ.")
    TRANSFER_CODING = (400, "The only transfer coding is chunked, in HTTP/1.1, once.")
    LENGTH_AND_CODING = (400, "Content-Length and Transfer-Encoding exclude each other.")
    CONTENT_LENGTH = (400, "Content-Length must be one whole number.")
    BODY_MALFORMED = (400, "The request's body is not well-formed.")
    METHOD_NOT_SUPPORTED = (405, "This HTTP method is not supported.")
    REQUEST_TIMEOUT = (408, "The request took too long to arrive.")
    HEADERS_TOO_LARGE = (431, "The request headers are larger than {limit} bytes.")
    TOO_MANY_FIELDS = (431, "The request has more than {limit} header fields.")
    LOOP = (508, "Request loop: the origin sends requests back to this service.")

    # The opening handshake (RFC 6455, 4.2.1)
    HANDSHAKE_METHOD = (400, "A WebSocket handshake is a GET request of HTTP/1.1.")
    HANDSHAKE_CONNECTION = (400, "A WebSocket handshake needs “Connection: Upgrade”.")
    HANDSHAKE_BODY = (400, "A WebSocket handshake has no body.")
    HANDSHAKE_KEY = (400, "A WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes.")
    HANDSHAKE_VERSION = (426, "Only WebSocket version 13 is supported.")

    # The service and this edge
    WEBSOCKETS_REFUSED = (403, "{reason}")
    WEBSOCKETS_OFF = (403, "WebSockets is not switched on for this service.")
    HOST_UNKNOWN = (404, "No service is configured for the host {host}.")
    MISDIRECTED = (421, "The request's host is not the name in the TLS handshake.")
    HOST_MOVED = (503, "{host} was just moved to another service. Try again.")
    ADDRESS_LIMIT = (429, "Too many open requests from this address.")
    CONNECTION_LIMIT = (503, "This edge has reached its connection limit.")
    SERVICE_LIMIT = (503, "This service has as many WebSocket connections as this edge allows. Try again later.")
    ACCOUNT_LIMIT = (503, "This account has as many WebSocket connections as this edge allows. Try again later.")
    NO_ROUTE_TABLE = (503, "This edge has not received its configuration yet.")
    USAGE_NOT_RECORDED = (503, "This edge can't record usage at the moment. Try again later.")

    # The origin
    NO_ORIGIN = (503, "This service has no origin.")
    ORIGIN_PORT = (502, "The origin's port is not valid.")
    ORIGIN_NAME = (502, "The origin's name is not a host name.")
    ORIGIN_OVERRIDE_HOST = (502, "The origin's Override Host is not valid.")
    ORIGIN_NOT_RESOLVED_YET = (502, "The origin's address has not been resolved yet. Try again.")
    ORIGIN_NOT_RESOLVED = (502, "The origin's name could not be resolved.")
    # Not which class of address it is: that would map the network from outside.
    ORIGIN_DENIED = (502, "The origin's address is not allowed.")
    ORIGIN_UNREACHABLE = (502, "The origin could not be reached.")
    ORIGIN_TLS = (502, "The origin's TLS handshake failed.")
    ORIGIN_CERTIFICATE = (502, "The origin's certificate was not accepted: {reason}.")
    ORIGIN_PROTOCOL = (502, "The origin chose a protocol other than HTTP/1.1.")
    # HAProxy does not tell the two apart.
    ORIGIN_UNREACHABLE_OR_UNTRUSTED = (503, "The origin could not be reached, or its certificate was not accepted.")
    ORIGIN_CLOSED = (502, "The origin closed the connection without a response.")
    ORIGIN_NOT_HTTP = (502, "The origin's response is not valid HTTP/1.1.")
    ORIGIN_HEADERS_TOO_LARGE = (502, "The origin's response headers are larger than {limit} bytes.")
    ORIGIN_TOO_MANY_FIELDS = (502, "The origin's response has more than {limit} header fields.")
    ORIGIN_TIMEOUT = (504, "The origin did not respond in time.")
    # fmt: on

    @property
    def status(self) -> HTTPStatus:
        """The status code of the response."""
        return HTTPStatus(self.value[0])

    def sentence(self, **values: object) -> str:
        """Return the sentence with its placeholders filled in."""
        return self.value[1].format(**values) if values else self.value[1]


class ErrorResponse(Exception):
    """The edge itself responds to a request, and then closes the connection.

    `values` fill the placeholders of the error's sentence.
    """

    def __init__(self, error: EdgeError, **values: object) -> None:
        self.error = error
        self.sentence = error.sentence(**values)
        super().__init__(self.sentence)

    def to_bytes(self, *, with_body: bool = True) -> bytes:
        """Return the whole response as it is sent."""
        body = (self.sentence + "\n").encode()
        status = self.error.status
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            *(_SUPPORTED if status == HTTPStatus.UPGRADE_REQUIRED else ()),
            "Connection: close",
        )
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head + body if with_body else head


def _detail_of(body: bytes) -> str:
    """Return the detail of the portal's own form of an error; else ""."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""
