"""How large a request body may be: little before its sender is known, and no more than needed.

A body that is sent in chunks has no length. It is read here, up to the same limit: Django reads as
many bytes as `Content-Length` says, so it would take such a body for an empty one.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.error_responses import body_too_large
from products.edge.contract import USAGE_PATH
from products.protocol import API_PATH

KIB = 1024
MAX_ANONYMOUS_BYTES = 64 * KIB
MAX_BYTES = 1024 * KIB
MAX_DIGITS = 20  # of a length; Python would take long for millions of digits
# These calls take a password, so their sender is not known yet.
SIGN_IN_PATHS = frozenset({f"{API_PATH}sudo", f"{API_PATH}tokens"})
GetResponse = Callable[[HttpRequest], HttpResponse]


def limit_body(get_response: GetResponse) -> GetResponse:
    """Refuse a body above the limit of its path with 413, before anything else reads it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "Transfer-Encoding" in request.headers:
            limit = max_body_bytes(request)
            body = _read(request.META["wsgi.input"], limit + 1)
            if len(body) > limit:
                return body_too_large(request, limit)
            request.META["CONTENT_LENGTH"] = str(len(body))
            request._stream = BytesIO(body)  # noqa: SLF001
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


def _read(stream: Any, size: int) -> bytes:
    """Read a body to its end, and at most so many bytes."""
    pieces: list[bytes] = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
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
