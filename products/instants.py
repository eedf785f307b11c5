"""Instants as whole microseconds since 1970, as datetimes and as ISO 8601 texts; pure."""

import functools
from datetime import UTC, datetime, timedelta

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds_of(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return microseconds_between(_EPOCH, instant)


def microseconds_between(start: datetime, end: datetime) -> int:
    """Return the microseconds from one instant to another."""
    return (end - start) // _MICROSECOND


def instant_of(microseconds: int) -> datetime:
    """Return the instant that is so many microseconds after the start of 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def iso_instant(microseconds: int) -> str:
    """Write an instant as ISO 8601 in UTC, with six decimals."""
    text = instant_of(microseconds).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def iso_hour(microseconds: int) -> str:
    """Write the hour that an instant is in, as ISO 8601 in UTC."""
    return instant_of(microseconds).strftime("%Y-%m-%dT%H:00:00Z")


@functools.lru_cache(maxsize=1024)
def instant_us(text: str) -> int:
    """Read an ISO 8601 instant as microseconds since 1970; 0 if it is not one."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return microseconds_of(instant) if instant.tzinfo else 0
