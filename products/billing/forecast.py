"""Forecasts the bill of a month: the mean of the days counted last, for the rest; pure.

What is forecast is usage, not money, and it is rated like the usage of the invoice. So a lower tier
or a price change later in the month counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from products.billing.bill import BANDWIDTH, Segment, SegmentUsage
from products.instants import microseconds_between

DAYS = 7


@dataclass(frozen=True, slots=True)
class Pace:
    """What was used in a stretch of whole days: minutes and bytes."""

    starts_at: datetime
    ends_at: datetime
    days: int
    minutes: int
    bytes: int


def pace_bounds(
    midnights: Sequence[datetime], starts_at: datetime, complete_to: datetime | None
) -> tuple[datetime, datetime, int] | None:
    """Return start, end and number of the last whole days of which all usage has arrived.

    At most seven, none before `starts_at`; None if there is none yet.
    """
    whole = [
        (low, high)
        for low, high in pairwise(midnights)
        if complete_to is not None and starts_at <= low and high <= complete_to
    ][-DAYS:]
    return (whole[0][0], whole[-1][1], len(whole)) if whole else None


def with_rest(
    segments: Sequence[Segment],
    usage: Sequence[SegmentUsage],
    pace: Pace,
    counted_to: datetime,
) -> list[SegmentUsage]:
    """Return the usage of segments with what the pace adds from `counted_to` to their ends."""
    return [
        _with_rest(segment, used, pace, counted_to)
        for segment, used in zip(segments, usage, strict=True)
    ]


def _with_rest(
    segment: Segment, used: SegmentUsage, pace: Pace, counted_to: datetime
) -> SegmentUsage:
    left = microseconds_between(max(segment.starts_at, counted_to), segment.ends_at)
    if left <= 0:
        return used
    total = pace.bytes if segment.meter == BANDWIDTH else pace.minutes
    width = microseconds_between(pace.starts_at, pace.ends_at)
    more = (total * left * 2 + width) // (width * 2)  # rounded half up
    # The forecast is not split over services.
    return replace(used, by_service={**used.by_service, "": more})
