"""Calendar months in an account's billing zone, as half-open periods of UTC instants; pure.

The bounds are local midnights, so months differ in length by more than whole days.
"""

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

# The midnight of a zone is less than this before or after that of UTC.
MAX_UTC_OFFSET = timedelta(days=1)
_MONTHS = 12
# A report is counted if it arrives within this time after the end of the month it names.
REPORT_WINDOW = timedelta(days=35)
# A report that was received in time has been merged when this time has passed.
_MERGE_GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of a calendar, without a zone: 2026-03."""

    year: int
    month: int

    @classmethod
    def at(cls, instant: datetime, zone: str) -> Self:
        """Return the month that contains an instant."""
        local = instant.astimezone(ZoneInfo(zone))
        return cls(local.year, local.month)

    @classmethod
    def read(cls, label: str) -> Self:
        """Read what `str` wrote. Raises ValueError for anything else.

        Also for a month next to the first or last year, because `datetime` ends there.
        """
        first = datetime.strptime(f"{label}-01", "%Y-%m-%d").replace(tzinfo=UTC)
        if not MINYEAR + 1 < first.year < MAXYEAR:
            raise ValueError(f"the year {first.year} is out of range")
        return cls(first.year, first.month)

    def plus(self, months: int) -> Self:
        """Return the month that is `months` later; a negative number goes back."""
        year, month = divmod(self.year * _MONTHS + self.month - 1 + months, _MONTHS)
        return type(self)(year, month + 1)

    def starts_at(self, zone: str) -> datetime:
        """Return the instant at which the month starts in a zone, in UTC."""
        midnight = datetime(self.year, self.month, 1, tzinfo=ZoneInfo(zone))
        return midnight.astimezone(UTC)

    def ends_at(self, zone: str) -> datetime:
        """Return the instant at which the next month starts; this month excludes it."""
        return self.plus(1).starts_at(zone)

    @property
    def last_day(self) -> date:
        """Return the last day, the same in every zone."""
        first = self.plus(1)
        return date(first.year, first.month, 1) - timedelta(days=1)

    def accepts_reports_until(self, zone: str) -> datetime:
        """Return the last instant at which a report that names the month is counted."""
        return self.ends_at(zone) + REPORT_WINDOW

    def closes_at(self, zone: str) -> datetime:
        """Return the instant after which no report can change the month."""
        return self.accepts_reports_until(zone) + _MERGE_GRACE

    def until(self, last: Self) -> list[Self]:
        """Return the months from this one to `last`, both included."""
        span = (last.year - self.year) * _MONTHS + last.month - self.month
        return [self.plus(step) for step in range(span + 1)]

    def __str__(self) -> str:
        """Write the month: 2026-03."""
        return f"{self.year:04}-{self.month:02}"


def midnights(starts_at: datetime, ends_at: datetime, zone: str) -> list[datetime]:
    """Return the bounds of the days of a period: its start, each local midnight in it, its end."""
    local = ZoneInfo(zone)
    day = starts_at.astimezone(local).date()
    bounds = [starts_at]
    while True:
        day += timedelta(days=1)
        midnight = datetime.combine(day, time(), local).astimezone(UTC)
        if midnight >= ends_at:
            return [*bounds, ends_at]
        bounds.append(midnight)


def month_after(label: str) -> str:
    """Return the label of the month after a label: 2027-01 after 2026-12."""
    return str(Month.read(label).plus(1))


def month_name(label: str) -> str:
    """Return a month in words: November 2026."""
    return f"{Month.read(label).starts_at('UTC'):%B %Y}"
