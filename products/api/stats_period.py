"""The period of a statistics request: `from`, `to` and `by`; and times as phrases."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self

from django.utils.dateparse import parse_date, parse_datetime

from accounts.errors import Invalid
from accounts.readable import choices_in_words

SLOTS: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
# Without `from`: what a page of charts would show.
DEFAULT_SPANS: Final = {
    "minute": timedelta(hours=1),
    "hour": timedelta(days=1),
    "day": timedelta(days=30),
}
UNITS: Final = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
AGO: Final = re.compile(rf"(\d{{1,6}}|an?)\s+({'|'.join(UNITS)})s?\s+ago")
EPOCH: Final = re.compile(r"\d{1,11}")
MAX_SLOTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class StatsPeriod:
    """A half-open period in whole slots."""

    starts_at: datetime
    ends_at: datetime
    by: str

    @classmethod
    def of(cls, query: Mapping[str, str], now: datetime) -> Self:
        """Return the period of a request. Raises Invalid."""
        by = query.get("by") or "day"
        if by not in SLOTS:
            raise Invalid(f"by: Choose {choices_in_words(SLOTS)}.", field="by")
        to = read_time(query.get("to", ""), now, "to") or now
        since = read_time(query.get("from", ""), now, "from") or to - DEFAULT_SPANS[by]
        slot = SLOTS[by]
        starts_at, ends_at = _floor(since, slot), _floor(to, slot)
        if ends_at < to:
            ends_at += slot
        if starts_at >= ends_at:
            raise Invalid("from must be before to.", field="from")
        period = cls(starts_at, ends_at, by)
        if len(period.starts) > MAX_SLOTS:
            raise Invalid(
                f"This is more than {MAX_SLOTS:,} values. Choose a shorter period or another `by`.",
                field="from",
            )
        return period

    @property
    def slot(self) -> timedelta:
        """Return the length of a slot."""
        return SLOTS[self.by]

    @property
    def starts(self) -> range:
        """Return the start of each slot, in seconds since 1970."""
        return range(
            int(self.starts_at.timestamp()),
            int(self.ends_at.timestamp()),
            int(self.slot.total_seconds()),
        )


def read_time(text: str, now: datetime, field: str) -> datetime | None:
    """Return the time that a text names; None for no text. Raises Invalid.

    It is seconds since 1970, an ISO 8601 date or time, `now`, `today`, `yesterday`, or such as
    `10 days ago`. A month is 30 days here, and a year 365.
    """
    text = text.strip().lower()
    if not text:
        return None
    try:
        moment = _read(text, now)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise Invalid(
            f"{field} must be seconds since 1970, a time such as 2026-11-04T10:00:00Z, or a "
            "phrase such as '10 days ago'.",
            field=field,
        )
    return moment


def _read(text: str, now: datetime) -> datetime | None:
    today = _midnight(now.astimezone(UTC).date())
    named = {"now": now, "today": today, "yesterday": today - UNITS["day"]}
    if text in named:
        return named[text]
    if EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    if ago := AGO.fullmatch(text):
        count = int(ago[1]) if ago[1].isdigit() else 1
        return now - count * UNITS[ago[2]]
    return _read_iso(text.upper())


def _read_iso(text: str) -> datetime | None:
    if day := parse_date(text):
        return _midnight(day)
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo:
        return moment
    return moment.replace(tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _floor(moment: datetime, slot: timedelta) -> datetime:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return moment - since % slot
