"""Counts uses per clock hour exactly, across all processes; how long to wait after other limits."""

import time

from django.core.cache import cache

HOUR = 3600
# The limits of sign-in and re-authentication count per minute (`ACCOUNT_RATE_LIMITS`).
RETRY_SECONDS = 60
# The attribute of a request that is authenticated by a token and sends its owner's password: the
# ids of the token and of the owner.
TOKEN_OF_ATTEMPT = "token_of_attempt"  # noqa: S105 - a name


def consume(name: str, limit: int) -> int:
    """Use one of the hour's `limit` uses; return how many are left, or -1 if there was none.

    A cache in the database adds atomically only a key that is absent, and its `incr` forgets an
    entry's expiry. So each use is a key of its own. The count says where to start looking for a
    free one.
    """
    key = f"{name}:{int(time.time()) // HOUR}"
    for number in range(cache.get(key, 0), limit):
        if cache.add(f"{key}:{number}", 1, HOUR):
            cache.set(key, number + 1, HOUR)
            return limit - number - 1
    return -1


def seconds_left() -> int:
    """Return the seconds until the next hour starts."""
    return resets_at() - int(time.time())


def resets_at() -> int:
    """Return the second since 1970 at which the next hour starts."""
    return (int(time.time()) // HOUR + 1) * HOUR
