"""Refuses writes of the API under a precondition that cannot hold.

No response to a customer has an ETag, so none matches `If-Match`. A client sends it to prevent a
write if another client has changed the resource. Without the refusal, the write would be done.
Source: RFC 9110, sections 13.1.1 and 13.1.2. `If-Unmodified-Since` is ignored, as section 13.1.4
says for resources without a date of modification.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.authentication import SAFE_METHODS
from portal.error_responses import ApiError, error_response
from products.protocol import API_PATH

ANY: Final = "*"


def preconditions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return the middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        """Return a 412 that names the header, or pass the request on."""
        header = _false_precondition(request)
        if not header:
            return get_response(request)
        detail = f"{header} cannot hold here: nothing has an ETag. Leave it out."
        return error_response(
            request, ApiError.of(HTTPStatus.PRECONDITION_FAILED, detail)
        )

    return middleware


def _false_precondition(request: HttpRequest) -> str:
    """Return the header of a write whose precondition does not hold; "" without one."""
    if request.method in SAFE_METHODS or not request.path.startswith(API_PATH):
        return ""
    if request.headers.get("If-Match", ANY).strip() != ANY:
        return "If-Match"
    if request.headers.get("If-None-Match", "").strip() == ANY:
        return "If-None-Match"
    return ""
