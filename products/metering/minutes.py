"""Whole minutes of a connection and of any part of it (R14); integers throughout.

A connection is rounded up once, as a whole. The minutes of a part are the difference of
two such roundings, so that the parts add up whatever the cuts; rounding each part by
itself would bill a minute more for each cut.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

MINUTE_US = 60_000_000
_MICROSECOND = timedelta(microseconds=1)


def minutes(duration_us: int) -> int:
    """Return the whole minutes of a duration in microseconds, rounded up; 0 for 0.

    Raises ValueError for a negative duration.
    """
    if duration_us < 0:
        raise ValueError(f"A connection cannot last {duration_us} microseconds.")
    return -(-duration_us // MINUTE_US)


def increment(known_us: int, reported_us: int) -> int:
    """Return the minutes that a cumulative report adds to what is known already.

    Zero for a repeated or a late report: the state of a connection is the largest
    duration reported.
    """
    return minutes(max(known_us, reported_us)) - minutes(known_us)


def minutes_of_parts(duration_us: int, cuts_us: Sequence[int]) -> tuple[int, ...]:
    """Return the minutes before, between and after cuts, given as time since the start.

    The cuts ascend, and may lie outside the connection. The minute in which one falls
    belongs to the part before it. The answer has one number more than there are cuts;
    they add up to the minutes of the whole.
    """
    if list(cuts_us) != sorted(cuts_us):
        raise ValueError("The cuts must ascend.")
    inside = (min(max(cut, 0), duration_us) for cut in cuts_us)
    points = [0, *(minutes(cut) for cut in inside), minutes(duration_us)]
    return tuple(after - before for before, after in pairwise(points))


def minutes_by_cuts(
    started_at: datetime, duration_us: int, cuts: Sequence[datetime]
) -> tuple[int, ...]:
    """Return the minutes before, between and after instants, such as month starts."""
    cuts_us = [(cut - started_at) // _MICROSECOND for cut in cuts]
    return minutes_of_parts(duration_us, cuts_us)


def minutes_within(
    started_at: datetime, duration_us: int, *, starts_at: datetime, ends_at: datetime
) -> int:
    """Return the minutes of a connection that fall into a half-open period."""
    return minutes_by_cuts(started_at, duration_us, (starts_at, ends_at))[1]
