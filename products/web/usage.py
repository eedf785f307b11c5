"""The Usage page: minutes and bytes by day and by service, and what rounding up adds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.authentication import actor_of
from accounts.csv_export import csv_lines
from accounts.date_formats import day_of_year_text
from accounts.errors import Invalid
from accounts.models import Account
from accounts.policy import AccountAccess, load_access
from accounts.queries import account_in
from accounts.roles import Permission
from products.billing.describe import period_text
from products.billing.models import Budget
from products.billing.queries.corrections import corrections_of
from products.billing.queries.running import MonthCost, MonthCosts, costs_of_month
from products.billing.queries.terms import Period, month_at, period_of
from products.catalogue.money import MICROS
from products.metering.queries import (
    Freshness,
    UsageAtBounds,
    freshness,
    rounding_example,
    usage_at,
)
from products.metering.queries.daily import totals_of
from products.months import Month, midnights, month_name
from products.services.models import Service
from products.web.invoices import corrections_context
from products.web.usage_chart import Chart, ChartDay, usage_chart

TABS = 3
MONTHS_LISTED = 24
SERVICES_SHOWN = 50
CSV_COLUMNS = (
    *("day", "from_utc", "to_utc", "service", "service_name"),
    *("minutes", "bytes", "complete"),
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the month in the account's zone, with what services used.

    It is known if usage up to any time of it has arrived, and complete if all of it has.
    """

    starts_at: datetime
    ends_at: datetime
    name: str
    number: str  # within the month
    minutes: int
    bytes: int
    minutes_so_far: int
    is_known: bool
    is_complete: bool
    is_future: bool
    cost: MonthCost | None = None

    @property
    def has_figures(self) -> bool:
        """Tell whether there is anything to show: what has arrived counts, also of an unknown day."""
        return self.is_known or bool(self.minutes or self.bytes)


@dataclass(frozen=True, slots=True)
class ServiceUsage:
    """What one service used in a month, and what it costs in words ("" if that is unknown)."""

    service: Service
    connections: int
    minutes: int
    bytes: int
    cost: str


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """What an actor sees of a month: the period, its days, and the services it is about."""

    account: Account
    month: Month
    period: Period
    services: Mapping[str, Service]
    bounds: Sequence[datetime]
    used: UsageAtBounds
    freshness: Freshness
    now: datetime

    def days(self, costs: Sequence[MonthCost] = ()) -> list[Day]:
        """Return the days with the sums of all services; `costs` has one amount per day."""
        totals = totals_of(self.used.minutes, len(self.bounds))
        moved = totals_of(self.used.bytes, len(self.bounds) - 1)
        return [self._day(index, totals, moved, costs) for index in range(len(moved))]

    def _day(
        self,
        index: int,
        totals: Sequence[int],
        moved: Sequence[int],
        costs: Sequence[MonthCost],
    ) -> Day:
        start, end = self.bounds[index], self.bounds[index + 1]
        local = start.astimezone(ZoneInfo(self.period.zone))
        counted = self.freshness.complete_to
        is_known = counted is not None and start < counted
        return Day(
            starts_at=start,
            ends_at=end,
            name=day_of_year_text(local.date()),
            number=str(local.day),
            minutes=totals[index + 1] - totals[index],
            bytes=moved[index],
            minutes_so_far=totals[index + 1],
            is_known=is_known,
            is_complete=counted is not None and end <= counted,
            is_future=start >= self.now,
            cost=costs[index] if costs and start < self.now else None,
        )


@login_required
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """Show what the account used in a month; costs only to those who may see them."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = _reader(access)
    now = timezone.now()
    month = _month(request, account, now)
    sees_costs = access.decide(Permission.BILLING_READ).allowed
    whole = costs_of_month(account, month, now) if sees_costs else None
    costs = whole.days if whole else ()
    found = month_usage(access, account, month, now, whole)
    budget = Budget.objects.filter(account=account).first() if sees_costs else None
    days = found.days(costs)
    context = {
        **_month_context(found),
        "days": days,
        "chart": _chart(days, budget, sees_costs=bool(costs)),
        "sees_costs": bool(costs),
        "may_see_costs": sees_costs,
        "currency": costs[-1].amount.currency if costs else "",
        "so_far": whole.total if whole else "",
        "whole": whole,
        "budget": budget,
        "minutes": sum(day.minutes for day in days),
        "bytes": sum(day.bytes for day in days),
        **_corrections_context(whole),
        **_service_context(found, whole.services if whole else {}),
        **_rounding_context(found),
    }
    return render(request, "billing/usage.html", context)


@login_required
@require_GET
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Return minutes and bytes by day and service as CSV; exact figures, without prices."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = _reader(access)
    now = timezone.now()
    found = month_usage(access, account, _month(request, account, now), now)
    lines = (line.encode() for line in csv_lines(CSV_COLUMNS, _csv_rows(found)))
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="usage-{found.month}.csv"'
    return answer


def month_usage(
    access: AccountAccess,
    account: Account,
    month: Month,
    now: datetime,
    whole: MonthCosts | None = None,
) -> DailyUsage:
    """Return what the services that the actor may see used in a month, by day.

    With `whole`, of what was read of all services already.
    """
    period = period_of(account, month)
    services = {row.pk: row for row in Service.objects.visible_in(access)}
    bounds = midnights(period.starts_at, period.ends_at, period.zone)
    at_bounds = (
        usage_at(list(services), month, bounds)
        if whole is None or whole.used is None
        else whole.used.of(services).at(bounds)
    )
    fresh = whole.freshness if whole else None
    return DailyUsage(
        account=account,
        month=month,
        period=period,
        services=services,
        bounds=bounds,
        used=at_bounds,
        freshness=fresh or freshness(now, counted_at=at_bounds.counted_at),
        now=now,
    )


def _reader(access: AccountAccess) -> Account:
    account = account_in(access)
    access.require(Permission.STATS_READ)
    return account


def _month(request: HttpRequest, account: Account, now: datetime) -> Month:
    """Return the month of the address; the running one without. Raises Invalid."""
    current = month_at(account, now)
    label = request.GET.get("month", "")
    if not label:
        return current
    try:
        month = Month.read(label)
    except ValueError as error:
        raise Invalid(
            f"“{label}” is not a month such as 2026-10.", field="month"
        ) from error
    first = month_at(account, account.created_at).plus(-1)
    return min(max(month, first), current)


def _corrections_context(whole: MonthCosts | None) -> dict[str, Any]:
    invoice = whole.invoice if whole else None
    return corrections_context(corrections_of(invoice) if invoice else None)


def _month_context(found: DailyUsage) -> dict[str, Any]:
    current = month_at(found.account, found.now)
    first = month_at(found.account, found.account.created_at)
    months = list(reversed(first.until(current)))[:MONTHS_LISTED]
    tabs = sorted({*months[:TABS], found.month})
    return {
        "month": month_name(str(found.month)),
        "label": str(found.month),
        "is_running": found.month == current,
        "period": period_text(found.period.starts_at, found.period.ends_at),
        "zone": found.period.zone,
        "freshness": found.freshness,
        "tabs": [_link(each, found.month) for each in tabs],
        "months": [_link(each, found.month) for each in months],
        "csv_url": f"{reverse('usage_csv')}?{urlencode({'month': str(found.month)})}",
    }


def _link(month: Month, shown: Month) -> dict[str, Any]:
    return {
        "label": str(month),
        "name": month_name(str(month)),
        "url": f"{reverse('usage')}?{urlencode({'month': str(month)})}",
        "current": month == shown,
    }


def _service_context(found: DailyUsage, costs: Mapping[str, str]) -> dict[str, Any]:
    used = found.used
    rows = [
        ServiceUsage(
            service=service,
            connections=used.connections.get(key, 0),
            minutes=used.minutes.get(key, [0])[-1],
            bytes=sum(used.bytes.get(key, ())),
            cost=costs.get(key, ""),
        )
        for key, service in found.services.items()
        if key in used.connections or key in costs or any(used.bytes.get(key, ()))
    ]
    rows.sort(key=lambda row: (-row.minutes, -row.bytes, row.service.name))
    return {
        "services": rows[:SERVICES_SHOWN],
        "more_services": max(0, len(rows) - SERVICES_SHOWN),
        "connections": sum(used.connections.values()),
    }


def _rounding_context(found: DailyUsage) -> dict[str, Any]:
    ids = list(found.services)
    start, end = found.period.starts_at, found.period.ends_at
    example = rounding_example(ids, found.month, start, end)
    return {
        "example": example,
        "example_service": found.services[example.service] if example else None,
        "open_for": timedelta(seconds=found.used.seconds_open),
    }


def _chart(days: Sequence[Day], budget: Budget | None, *, sees_costs: bool) -> Chart:
    """Draw costs and the budget, or the minutes so far for those who see no costs."""

    def total(day: Day) -> int | None:
        if day.is_future or not day.is_known:
            return None
        if sees_costs:
            return day.cost.amount.micros if day.cost is not None else None
        return day.minutes_so_far

    shown = [
        ChartDay(
            label=day.number,
            minutes=day.minutes,
            is_complete=day.is_complete,
            is_known=day.is_known,
            is_future=day.is_future,
            total=total(day),
        )
        for day in days
    ]
    if not sees_costs:
        return usage_chart(shown)
    amount = budget.amount_micros if budget else None
    return usage_chart(shown, budget=amount, unit=MICROS)


def _csv_rows(found: DailyUsage) -> Iterator[list[object]]:
    days = found.days()
    for key, service in sorted(found.services.items()):
        totals = found.used.minutes.get(key, [0] * len(found.bounds))
        moved = found.used.bytes.get(key, [0] * len(days))
        minutes = [high - low for low, high in pairwise(totals)]
        for day, used, sent in zip(days, minutes, moved, strict=True):
            if not day.is_future and (used or sent):
                local = day.starts_at.astimezone(ZoneInfo(found.period.zone))
                yield [
                    *(local.date().isoformat(), day.starts_at.isoformat()),
                    *(day.ends_at.isoformat(), key, service.name),
                    *(used, sent, "yes" if day.is_complete else "no"),
                ]
