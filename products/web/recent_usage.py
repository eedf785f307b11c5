"""The connection minutes of the running month on Home, and of seven days on Products and of a service."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from accounts.date_formats import day_of_year_text
from accounts.models import Account
from products.billing.queries.bills import RunningMonth
from products.billing.queries.running import costs_so_far
from products.calendars import Calendar, calendar_of
from products.catalogue.money import MICROS
from products.metering.queries import Freshness, freshness
from products.metering.queries.daily import Bounds, MinutesAtBounds, minutes_at
from products.months import midnights
from products.web.usage_chart import Bar, Chart, ChartDay, usage_chart

DAYS: Final = 7
_DAY_AHEAD: Final = ChartDay(
    label="",
    minutes=0,
    is_complete=False,
    is_known=False,
    is_future=True,
    total=None,
)


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
    service_ids: list[str],
    calendar: Calendar,
    now: datetime,
    running: RunningMonth | None = None,
) -> RecentUsage:
    """Return the minutes of services in the last seven days of the billing zone.

    Those of a month with many records are of its periods, at most ten minutes old. With
    `running`, those of its month are not read again.
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
    known = {} if running is None else {running.bill.month: running.used}
    used = minutes_at(service_ids, bounds, calendar, known)
    counted = freshness(now, counted_at=used.counted_at)
    days = _days_between(used, bounds, counted, local)
    return RecentUsage(days, usage_chart(days).bars)


@dataclass(frozen=True, slots=True)
class MonthSoFar:
    """The days of the running month until today, and a chart of the whole month.

    The line of the chart is the cost up to each day; there is none for those who see no costs.
    """

    days: Sequence[ChartDay]
    chart: Chart

    @property
    def minutes(self) -> int:
        """Return the minutes of the month so far."""
        return sum(day.minutes for day in self.days)

    @property
    def today(self) -> ChartDay:
        """Return the day that is not over."""
        return self.days[-1]

    @property
    def busiest(self) -> ChartDay:
        """Return the day with most minutes; the first of several."""
        return max(self.days, key=lambda day: day.minutes)


def month_so_far(
    account: Account,
    service_ids: list[str],
    now: datetime,
    running: RunningMonth | None,
) -> MonthSoFar:
    """Return the minutes of services by day, and what the account's month costs up to each.

    The figures are those of the Usage page. With `running` they are those of the bill and nothing
    is read of usage; without it there are no costs. The number of queries does not depend on the
    days or services; those of a month with many records are read from its periods.
    """
    calendar = calendar_of(account)
    month = calendar.month_at(now)
    bounds = calendar.days(month)
    until_today = bounds[: bisect_right(bounds, now) + 1]
    if running is None:
        used = minutes_at(service_ids, until_today, calendar)
        counted = freshness(now, counted_at=used.counted_at)
    else:
        used = running.used.of(service_ids).minutes_at(until_today)
        counted = running.freshness
    local = ZoneInfo(calendar.zone_at(now))
    days = _days_between(used, until_today, counted, local)
    if running is not None:
        costs = costs_so_far(running, until_today)
        days = [
            replace(day, total=cost.amount.micros if day.is_known else None)
            for day, cost in zip(days, costs, strict=True)
        ]
    ahead = [_DAY_AHEAD] * (len(bounds) - len(until_today))
    return MonthSoFar(days, usage_chart([*days, *ahead], unit=MICROS))


def _days_between(
    used: MinutesAtBounds, bounds: Bounds, fresh: Freshness, local: ZoneInfo
) -> list[ChartDay]:
    """Return the days that start at the bounds but the last."""
    counted = fresh.complete_to
    return [
        ChartDay(
            label=day_of_year_text(start.astimezone(local).date()),
            minutes=used.totals[index + 1] - used.totals[index],
            is_complete=counted is not None and end <= counted,
            is_known=counted is not None and start < counted,
            is_future=False,
            total=None,
        )
        for index, (start, end) in enumerate(pairwise(bounds))
    ]
