"""The budget of writing API calls: 1,000 an hour for each person; reading is free.

Source: https://www.fastly.com/documentation/reference/api/#rate-limiting, read 2026-11. Its
headers are on every answer of the classic API to a request that is not a read.
"""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.allowance import renewed_at, take

READS = frozenset({"GET", "HEAD", "OPTIONS"})
WRITES_AN_HOUR = 1_000
GetResponse = Callable[[HttpRequest], HttpResponse]


class WriteBudget(BaseThrottle):
    """Counts a person's writes in the clock hour, in the cache that all processes share."""

    def __init__(self) -> None:
        self.resets_at = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count one write and tell whether it is within the budget."""
        person = getattr(request.user, "pk", None)  # an edge is nobody
        if request.method in READS or person is None:
            return True
        self.resets_at = renewed_at()
        left = take(f"api-writes:{person}", WRITES_AN_HOUR)
        request._request.write_budget = (max(left, 0), self.resets_at)  # type: ignore[attr-defined]  # noqa: SLF001
        return left >= 0

    def wait(self) -> float:
        """Return the seconds until the budget is whole again."""
        return max(self.resets_at - time.time(), 0)


def budget_headers(get_response: GetResponse) -> GetResponse:
    """Say on every counted answer what is left, and from when on the budget is whole again."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        budget: tuple[int, int] | None = getattr(request, "write_budget", None)
        if budget is not None:
            response["Fastly-RateLimit-Remaining"] = str(budget[0])
            response["Fastly-RateLimit-Reset"] = str(budget[1])
        return response

    return middleware
