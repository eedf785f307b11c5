"""Instants as whole microseconds since 1970, and the texts that stand for them."""

import functools
from datetime import UTC, datetime, timedelta

HOUR_US = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = 12


def iso_instant(microseconds: int) -> str:
    """Write an instant as ISO 8601 in UTC, with six decimals."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def iso_hour(microseconds: int) -> str:
    """Write the hour that an instant is in, as ISO 8601 in UTC."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:00:00Z")


@functools.lru_cache(maxsize=1024)
def instant_us(text: str) -> int:
    """Read an ISO 8601 instant as microseconds since 1970; 0 if it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int(moment.timestamp() * 1_000_000) if moment.tzinfo else 0


def month_after(label: str) -> str:
    """Return the month after one that is written as 2026-11."""
    year, month = int(label[:4]), int(label[5:7])
    return f"{year + month // _MONTHS:04d}-{month % _MONTHS + 1:02d}"
