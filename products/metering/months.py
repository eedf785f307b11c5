"""Calendar months in an account's billing zone, as half-open periods of UTC instants.

The bounds are local midnights; a month is no fixed number of hours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

_MONTHS = 12
# Reports are taken until so long after the end of the month they name.
REPORT_WINDOW = timedelta(days=35)
# What was received in time has been merged so much later.
_MERGED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of a calendar, without a zone: 2026-03."""

    year: int
    month: int

    @classmethod
    def at(cls, instant: datetime, zone: str) -> Self:
        """Return the month that an instant lies in."""
        local = instant.astimezone(ZoneInfo(zone))
        return cls(local.year, local.month)

    @classmethod
    def read(cls, label: str) -> Self:
        """Read what `str` wrote. Raises ValueError for anything else."""
        first = datetime.strptime(f"{label}-01", "%Y-%m-%d").replace(tzinfo=UTC)
        return cls(first.year, first.month)

    def plus(self, months: int) -> Self:
        """Return the month so many later, or with a negative number earlier."""
        year, month = divmod(self.year * _MONTHS + self.month - 1 + months, _MONTHS)
        return type(self)(year, month + 1)

    def starts_at(self, zone: str) -> datetime:
        """Return the instant at which the month begins in a zone, in UTC."""
        midnight = datetime(self.year, self.month, 1, tzinfo=ZoneInfo(zone))
        return midnight.astimezone(UTC)

    def ends_at(self, zone: str) -> datetime:
        """Return the instant at which the next month begins; it is not in this one."""
        return self.plus(1).starts_at(zone)

    def accepts_reports_until(self, zone: str) -> datetime:
        """Return the last instant at which a report that names the month is counted."""
        return self.ends_at(zone) + REPORT_WINDOW

    def closes_at(self, zone: str) -> datetime:
        """Return the instant from which no report can move the month any more."""
        return self.accepts_reports_until(zone) + _MERGED_WITHIN

    def until(self, last: Self) -> list[Self]:
        """Return the months from this one to a last one, both included."""
        span = (last.year - self.year) * _MONTHS + last.month - self.month
        return [self.plus(step) for step in range(span + 1)]

    def __str__(self) -> str:
        """Write the month: 2026-03."""
        return f"{self.year:04}-{self.month:02}"
