"""How long a sweep may take that waits for other machines.

A worker carries out one sweep after the other, so a longer one would delay all others.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

SWEEP_SECONDS: Final = 20.0

T = TypeVar("T")


def while_time_is_left(rows: Iterable[T]) -> Iterator[T]:
    """Yield rows until a sweep has taken its time, at least one; the next sweep has the others."""
    started = time.monotonic()
    for row in rows:
        yield row
        if time.monotonic() - started >= SWEEP_SECONDS:
            return
