"""The months of an account: what is metered and what is billed has the same bounds.

A zone counts from a month on. The month in which it changes starts where the one before it ended.
So the months of an account follow each other without a gap, whatever its zones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from accounts.models import Account
from products.months import Month, midnights


@dataclass(frozen=True, slots=True)
class Calendar:
    """The first zone of an account, and the later ones with the month from which each counts."""

    zone: str = "UTC"
    changes: tuple[tuple[str, str], ...] = ()  # in the order of their months

    @classmethod
    def read(cls, zone: str, changes: Iterable[Iterable[str]]) -> Self:
        """Read the two fields of an account."""
        return cls(zone, tuple((month, later) for month, later in changes))

    def zone_in(self, month: Month) -> str:
        """Return the zone of a month."""
        label, zone = str(month), self.zone
        for start, later in self.changes:
            if start <= label:
                zone = later
        return zone

    def starts_at(self, month: Month) -> datetime:
        """Return the instant at which the month starts: where the one before it ended."""
        return month.starts_at(self.zone_in(month.plus(-1)))

    def ends_at(self, month: Month) -> datetime:
        """Return the instant at which the month ends, which it excludes."""
        return month.ends_at(self.zone_in(month))

    def accepts_reports_until(self, month: Month) -> datetime:
        """Return the last instant at which a report that names the month is counted."""
        return month.accepts_reports_until(self.zone_in(month))

    def closes_at(self, month: Month) -> datetime:
        """Return the instant after which no report can change the month."""
        return month.closes_at(self.zone_in(month))

    def month_at(self, instant: datetime) -> Month:
        """Return the month that contains an instant."""
        # In every zone, the month is that of UTC or one beside it.
        month = Month.at(instant, "UTC")
        if instant < self.starts_at(month):
            return month.plus(-1)
        return month if instant < self.ends_at(month) else month.plus(1)

    def zone_at(self, instant: datetime) -> str:
        """Return the zone of the month that contains an instant."""
        return self.zone_in(self.month_at(instant))

    def changes_after(self, month: Month) -> list[tuple[str, str]]:
        """Return the later zones that differ from the one before, each with its first month."""
        found = []
        for start, zone in self.changes:
            before = self.zone_in(Month.read(start).plus(-1))
            if start > str(month) and zone != before:
                found.append((start, zone))
        return found

    def with_change(self, month: Month, zone: str) -> Self:
        """Return the calendar with a zone that counts from a month on."""
        changes = dict(self.changes) | {str(month): zone}
        return type(self)(self.zone, tuple(sorted(changes.items())))

    def days(self, month: Month) -> list[datetime]:
        """Return the bounds of the days of a month: its start, each local midnight in it, its end."""
        start, end = self.starts_at(month), self.ends_at(month)
        return midnights(start, end, self.zone_in(month))


def calendar_of(account: Account) -> Calendar:
    """Return the months of an account."""
    return Calendar.read(account.billing_zone, account.zone_changes)
