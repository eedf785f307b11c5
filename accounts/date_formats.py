"""Dates and times as people read them, in the format that each chose and in their time zone.

Both are the reader's on pages (`portal.middleware.reader`) and in their emails. The admin, the API,
sweeps and what programs read have the first format and UTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Final

from django.utils import timezone

from accounts.time_zones import zone_label, zone_of

MAX_FORMAT_LENGTH: Final = 16
SAMPLE: Final = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)


class DateFormat(StrEnum):
    """How a person reads dates; the words of pages are English in each."""

    long: str
    short: str
    of_year: str
    before_time: str

    def __new__(
        cls,
        value: str,
        long: str = "",
        short: str = "",
        of_year: str = "",
        before_time: str = " ",
    ) -> "DateFormat":
        """Create a member that equals its name and has the other columns as attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.long, member.short, member.of_year = long, short, of_year
        member.before_time = before_time
        return member

    # In a sentence, in a list, within a known year; and what separates a date from a time.
    ENGLISH = (
        "english",
        "{0.day} {0:%B %Y}",
        "{0.day} {0:%b %Y}",
        "{0.day} {0:%b}",
        ", ",
    )
    ISO = "iso", "{0:%Y-%m-%d}", "{0:%Y-%m-%d}", "{0:%m-%d}"
    GERMAN = (
        "german",
        "{0.day}.{0.month}.{0:%Y}",
        "{0.day}.{0.month}.{0:%Y}",
        "{0.day}.{0.month}.",
    )
    DAY_FIRST = "day-first", "{0:%d/%m/%Y}", "{0:%d/%m/%Y}", "{0:%d/%m}"
    MONTH_FIRST = "month-first", "{0:%m/%d/%Y}", "{0:%m/%d/%Y}", "{0:%m/%d}"

    @property
    def sample(self) -> str:
        """Return what the third of November 2026 looks like, with a time."""
        return f"{self.long.format(SAMPLE)}{self.before_time}{SAMPLE:%H:%M}"


_current: Final[ContextVar[DateFormat]] = ContextVar(
    "date_format", default=DateFormat.ENGLISH
)


@contextmanager
def read_as(date_format: str, *zones: str) -> Iterator[None]:
    """Use a date format, and the first time zone of some choices, until the end of the block.

    An empty format is the English one. If all zones are empty, the zone is UTC.
    """
    token = _current.set(DateFormat(date_format or DateFormat.ENGLISH))
    try:
        with timezone.override(zone_of(*zones)):
            yield
    finally:
        _current.reset(token)


def second_text(at: datetime, zone: tzinfo | None = None) -> str:
    """Return a time to the second in a zone, or in the reader's: 18 March 2026, 15:05:20 CET."""
    local = timezone.localtime(at, zone)
    return f"{_before_time(local)}{local:%H:%M:%S} {zone_label(local)}"


def minute_text(at: datetime, zone: tzinfo | None = None) -> str:
    """Return a time to the minute in a zone, or in the reader's: 28 November 2026, 03:41 UTC."""
    local = timezone.localtime(at, zone)
    return f"{_before_time(local)}{local:%H:%M} {zone_label(local)}"


def clock_text(at: datetime) -> str:
    """Return the time of day in the reader's zone: 14:05:20."""
    return f"{timezone.localtime(at):%H:%M:%S}"


def day_text(day: date) -> str:
    """Return a day, of a time the one in the reader's zone: 3 Nov 2025."""
    return _current.get().short.format(_local(day))


def day_of_year_text(day: date) -> str:
    """Return a day without its year: 3 Nov."""
    return _current.get().of_year.format(_local(day))


def weekday_text(day: date) -> str:
    """Return a day with its weekday, for a heading: Wednesday, 18 March 2026."""
    local = _local(day)
    return f"{local:%A}, {_current.get().long.format(local)}"


def _local(day: date) -> date:
    return timezone.localtime(day) if isinstance(day, datetime) else day


def _before_time(local: datetime) -> str:
    chosen = _current.get()
    return chosen.long.format(local) + chosen.before_time
