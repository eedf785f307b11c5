"""Rate limit of the API: 1,000 writes per hour and user; reads are not limited.

Source: https://www.fastly.com/documentation/reference/api/#rate-limiting, read 2026-11. Every
response to a write of the classic API has its two headers.
"""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.rate_limit import consume, resets_at
from products.protocol import API_PATH

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WRITES_PER_HOUR = 1_000
GetResponse = Callable[[HttpRequest], HttpResponse]


class WriteRateLimit(BaseThrottle):
    """Counts a user's writes per clock hour, in the cache that all processes share."""

    def __init__(self) -> None:
        self.resets_at = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count one write; return whether it is within the limit.

        A view with the attribute `changes_nothing` is not counted, whatever its method.
        """
        user_id = getattr(request.user, "pk", None)  # an edge has none
        free = request.method in READ_METHODS or getattr(view, "changes_nothing", False)
        if free or user_id is None:
            return True
        self.resets_at = resets_at()
        left = consume(f"api-writes:{user_id}", WRITES_PER_HOUR)
        request._request.write_limit = (max(left, 0), self.resets_at)  # type: ignore[attr-defined]  # noqa: SLF001
        return left >= 0

    def wait(self) -> float:
        """Return the seconds until the count starts again at zero."""
        return max(self.resets_at - time.time(), 0)


def rate_limit_headers(get_response: GetResponse) -> GetResponse:
    """Add the writes that are left, and when the count starts again; correct `Allow`."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # The framework names OPTIONS too, which answers 405.
        if request.path.startswith(API_PATH) and "Allow" in response:
            response["Allow"] = response["Allow"].replace(", OPTIONS", "")
        limit: tuple[int, int] | None = getattr(request, "write_limit", None)
        if limit is not None:
            response["Fastly-RateLimit-Remaining"] = str(limit[0])
            response["Fastly-RateLimit-Reset"] = str(limit[1])
        return response

    return middleware
