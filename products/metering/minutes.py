"""Whole minutes of a connection and of its parts (R14), in integers.

A connection is rounded up once, as a whole. The minutes of a part are the difference of two such
roundings: the minutes until its end less the minutes until its start. So the parts add up to the
whole. If each part were rounded up, every cut would add a minute.

`products.metering.queries.usage` and `daily` do the same in SQL.
"""

MINUTE_US = 60_000_000


def minutes(duration_us: int) -> int:
    """Return the whole minutes of a duration in microseconds, rounded up; 0 for 0.

    Raises ValueError for a negative duration.
    """
    if duration_us < 0:
        raise ValueError(f"A connection cannot last {duration_us} microseconds.")
    return -(-duration_us // MINUTE_US)
