"""Rate limits of the API: writes per hour and user, and reads per minute and user.

Source: https://www.fastly.com/documentation/reference/api/#rate-limiting, read 2026-11. Fastly
limits writes to 1,000 per hour, and does not limit reads; here a program in a loop must not slow
the portal down for others. Every response to a counted request has Fastly's two headers.
"""

import hashlib
import mmap
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.authentication import SAFE_METHODS
from accounts.rate_limit import consume, resets_at
from products.protocol import API_PATH

MINUTE: Final = 60
GetResponse = Callable[[HttpRequest], HttpResponse]


class SharedCounts:
    """Counts per key and window in memory that the forked workers of a web server share.

    A count costs microseconds and no query. Two workers that count the same key in the same
    instant can lose one of the two, which a limit of thousands can bear.
    """

    ROW: Final = struct.Struct("<QII")  # a hash of the key, the window, the count
    ROWS: Final = 1 << 16
    PROBES: Final = 16

    def __init__(self) -> None:
        self._rows = mmap.mmap(-1, self.ROW.size * self.ROWS)

    def add(self, key: str, window: int) -> int:
        """Count one use, and return the uses in the window; 0 if the table is full."""
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        wanted = int.from_bytes(digest, "little")
        free = None
        for probe in range(self.PROBES):
            place = (wanted + probe) % self.ROWS * self.ROW.size
            found, of, count = self.ROW.unpack_from(self._rows, place)
            if found == wanted and of == window:
                self.ROW.pack_into(self._rows, place, wanted, window, count + 1)
                return int(count) + 1
            if free is None and of != window:
                free = place
        if free is None:
            return 0
        self.ROW.pack_into(self._rows, free, wanted, window, 1)
        return 1


# Made when the web server loads the views, before it forks its workers.
_READS: Final = SharedCounts()


class ApiRateLimit(BaseThrottle):
    """Counts a user's reads per clock minute, and writes per clock hour.

    Writes are counted in the cache that all processes share, reads in memory, for each machine.
    """

    def __init__(self) -> None:
        self.resets_at = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the request; return whether it is within the limit.

        A view with the attribute `changes_nothing` is a read, whatever its method.
        """
        user_id = getattr(request.user, "pk", None)  # an edge has none
        if user_id is None:
            return True
        is_read = request.method in SAFE_METHODS or getattr(
            view, "changes_nothing", False
        )
        left = self._read(user_id) if is_read else self._write(user_id)
        if left is None:
            return True
        request._request.api_limit = (max(left, 0), self.resets_at)  # type: ignore[attr-defined]  # noqa: SLF001
        return left >= 0

    def _read(self, user_id: str) -> int | None:
        """Count a read; return how many are left, below 0 for none, or None without a limit."""
        if not settings.API_READS_PER_MINUTE:
            return None
        window = int(time.time()) // MINUTE
        self.resets_at = (window + 1) * MINUTE
        left: int = settings.API_READS_PER_MINUTE - _READS.add(user_id, window)
        return left

    def _write(self, user_id: str) -> int:
        self.resets_at = resets_at()
        return consume(f"api-writes:{user_id}", settings.API_WRITES_PER_HOUR)

    def wait(self) -> float:
        """Return the seconds until the count starts again at zero."""
        return max(self.resets_at - time.time(), 0)


def rate_limit_headers(get_response: GetResponse) -> GetResponse:
    """Add the requests that are left, and when the count starts again; correct other headers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(API_PATH):
            # No response depends on a cookie, but middleware for pages reads the session.
            response["Vary"] = "Accept-Encoding"
            if (
                "Allow" in response
            ):  # the framework names OPTIONS too, which answers 405
                response["Allow"] = response["Allow"].replace(", OPTIONS", "")
        limit: tuple[int, int] | None = getattr(request, "api_limit", None)
        if limit is not None:
            response["Fastly-RateLimit-Remaining"] = str(limit[0])
            response["Fastly-RateLimit-Reset"] = str(limit[1])
        return response

    return middleware
