"""Counts what one may do so often in a clock hour, exactly, across all processes."""

import time

from django.core.cache import cache

HOUR = 3600


def consume(name: str, most: int) -> int:
    """Take one of the hour's allowance, and return how many are left; -1 where none was.

    A cache in the database adds nothing atomically but a key that is absent, and its `incr`
    forgets how long an entry was to live: so each use is a key of its own, and the count only
    says where to begin looking for a free one.
    """
    key = f"{name}:{int(time.time()) // HOUR}"
    for number in range(cache.get(key, 0), most):
        if cache.add(f"{key}:{number}", 1, HOUR):
            cache.set(key, number + 1, HOUR)
            return most - number - 1
    return -1


def resets_at() -> int:
    """Return the second (since 1970) at which the allowance is whole again."""
    return (int(time.time()) // HOUR + 1) * HOUR
