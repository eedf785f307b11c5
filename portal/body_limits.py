"""How large a request body may be: little before its sender is known, and no more than needed.

A body that is sent in chunks has no length. Django would take it for an empty one, because it reads
as many bytes as `Content-Length` says. So the limit is taken as the length, and the body is read
like any other, when a view asks for it: a wrong token is refused before, and a client without a
token that sends slowly occupies no thread.
"""

from collections.abc import Callable
from io import RawIOBase
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.error_responses import BodyTooLarge, bad_request, body_too_large
from portal.middleware import UnreadableRequest
from products.edge.contract import USAGE_PATH
from products.protocol import API_PATH

KIB = 1024
# RFC 9112, 6.1: what one server takes for the end of the body, another may not.
AMBIGUOUS = (
    "Send either Content-Length, or Transfer-Encoding: chunked and no other coding."
)
MAX_ANONYMOUS_BYTES = 64 * KIB
MAX_BYTES = 1024 * KIB
MAX_DIGITS = 20  # of a length; Python would take long for millions of digits
# These calls take a password, so their sender is not known yet.
SIGN_IN_PATHS = frozenset({f"{API_PATH}sudo", f"{API_PATH}tokens"})
GetResponse = Callable[[HttpRequest], HttpResponse]


def limit_body(get_response: GetResponse) -> GetResponse:
    """Refuse a body above the limit of its path with 413, before anything else reads it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if coding := request.headers.get("Transfer-Encoding"):
            if coding.lower() != "chunked" or request.META.get("CONTENT_LENGTH"):
                return bad_request(request, UnreadableRequest(AMBIGUOUS))
            limit = max_body_bytes(request)
            request.META["CONTENT_LENGTH"] = str(limit)
            chunks = _Chunks(request.META["wsgi.input"], limit)
            request._stream = chunks  # type: ignore[assignment] # noqa: SLF001
            return get_response(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        is_number = length.isascii() and length.isdigit()
        size = int(length[:MAX_DIGITS]) if is_number else 0
        if size > MAX_ANONYMOUS_BYTES:
            limit = max_body_bytes(request)
            if size > limit:
                return body_too_large(request, limit)
        return get_response(request)

    return middleware


class _Chunks(RawIOBase):
    """A body without a length, read up to a limit."""

    def __init__(self, stream: Any, limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._limit = limit
        self._left = limit + 1

    def read(self, size: int = -1) -> bytes:
        """Return the rest of the body, or at most so many bytes; raise BodyTooLarge."""
        pieces: list[bytes] = []
        wanted = self._left if size < 0 else min(size, self._left)
        while wanted > 0 and (piece := self._stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        if self._left == 0:
            raise BodyTooLarge(self._limit)
        return b"".join(pieces)


def max_body_bytes(request: HttpRequest) -> int:
    """Return the largest body that is read. A page's middleware has identified the user before."""
    if request.path == USAGE_PATH:
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
    if request.path.startswith(API_PATH):
        # A wrong token is refused before the body is read.
        known = "Fastly-Key" in request.headers and request.path not in SIGN_IN_PATHS
    else:
        known = request.user.is_authenticated
    return MAX_BYTES if known else MAX_ANONYMOUS_BYTES
