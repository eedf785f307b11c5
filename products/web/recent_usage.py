"""The connection minutes of the last seven days: on Home, on Products and of a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from accounts.date_formats import day_of_year_text
from products.calendars import Calendar
from products.metering.queries import freshness
from products.metering.queries.daily import minutes_at
from products.months import midnights
from products.web.usage_chart import Bar, ChartDay, usage_chart

DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class RecentUsage:
    """Each day's minutes, as bars and as figures; the last day is today."""

    days: Sequence[ChartDay]
    bars: Sequence[Bar]

    @property
    def has_minutes(self) -> bool:
        """Tell whether there is a bar to see."""
        return any(day.minutes for day in self.days)


def recent_usage(
    service_ids: list[str], calendar: Calendar, now: datetime
) -> RecentUsage:
    """Return the minutes of services in the last seven days of the billing zone.

    Those of a month with many connections are of its periods, at most ten minutes old.
    """
    zone = calendar.zone_at(now)
    local = ZoneInfo(zone)
    today = now.astimezone(local).date()
    first, last = today - timedelta(days=DAYS - 1), today + timedelta(days=1)
    bounds = midnights(
        datetime.combine(first, time(), local),
        datetime.combine(last, time(), local),
        zone,
    )
    used = minutes_at(service_ids, bounds, calendar)
    counted = freshness(now, counted_at=used.counted_at).complete_to
    days = []
    for index in range(DAYS):
        day = first + timedelta(days=index)
        days.append(
            ChartDay(
                label=day_of_year_text(day),
                minutes=used.totals[index + 1] - used.totals[index],
                is_complete=counted is not None and bounds[index + 1] <= counted,
                is_known=counted is not None and bounds[index] < counted,
                is_future=False,
                total=None,
            )
        )
    return RecentUsage(days, usage_chart(days).bars)
