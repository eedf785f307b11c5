"""What periods contain according to the usage records, and which periods differ from it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from django.db.models import F, Max, Min

from products.calendars import Calendar
from products.instants import instant_of
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsagePeriod,
)
from products.metering.queries.daily import MonthUsage, counters_at
from products.metering.queries.digests import (
    byte_lines,
    delivery_lines,
    digest,
    time_lines,
)
from products.metering.queries.usage import (
    ConnectionTotals,
    DeliveryTotals,
    connection_bytes,
    delivery_in,
    delivery_rows,
    snapshot,
)
from products.months import Month
from products.services.models import Service

Fields = Mapping[str, Any]
# A period whose usage was all taken out again.
NO_USAGE: Final[Fields] = {
    **ConnectionTotals().to_json(),
    "requests": 0,
    "delivery_bytes_from_client": 0,
    "delivery_bytes_to_client": 0,
    "delivery_records": 0,
    "digest": digest([]),
    "at_bounds": None,
}


@dataclass(frozen=True, slots=True)
class Owner:
    """The account of a service and its months; those of UTC for a service unknown to the portal."""

    account_id: str = ""
    calendar: Calendar = field(default_factory=Calendar)


@dataclass(frozen=True, slots=True)
class PeriodMismatch:
    """A period that differs from the usage records, and in which fields.

    One that `is_stale` is only out of date; the next sweep derives it.
    """

    service: str
    month: str
    fields: tuple[str, ...]
    is_stale: bool

    def __str__(self) -> str:
        """Return the mismatch as a line of text."""
        stale = " (out of date)" if self.is_stale else ""
        return f"{self.service} in {self.month}: {', '.join(self.fields)}{stale}"


def owners_of(services: Collection[str]) -> dict[str, Owner]:
    """Return the owners of the services that the portal knows, by id."""
    rows = Service.objects.filter(pk__in=services)
    return {
        key: Owner(account_id, Calendar.read(*zones))
        for key, account_id, *zones in rows.values_list(
            "pk", "account_id", "account__billing_zone", "account__zone_changes"
        )
    }


def services_of(account_id: str) -> list[str]:
    """Return the ids of an account's services; without one, of all with usage or periods."""
    if account_id:
        owned = Service.objects.filter(account_id=account_id)
        return list(owned.order_by("pk").values_list("pk", flat=True))
    connections = ConnectionUsage.objects.order_by().values_list("service", flat=True)
    delivery = DeliveryUsage.objects.order_by().values_list("service", flat=True)
    periods = UsagePeriod.objects.order_by().values_list("service", flat=True)
    return sorted(set(connections.union(delivery, periods)))


def months_of(service: str, calendar: Calendar) -> list[Month]:
    """Return the months from a service's first to its last connection, hour or period."""
    connections = ConnectionUsage.objects.filter(service=service).aggregate(
        start=Min("started_us"),
        end=Max(F("started_us") + F("duration_us")),
        first=Min("month"),
        last=Max("month"),
    )
    hours = DeliveryUsage.objects.filter(service=service).aggregate(
        first=Min("hour"), last=Max("hour")
    )
    periods = UsagePeriod.objects.filter(service=service).values_list(
        "month", flat=True
    )
    labels = [*periods, connections["first"], connections["last"]]
    instants = [
        hours["first"],
        hours["last"],
        *(
            instant_of(connections[name])
            for name in ("start", "end")
            if connections[name]
        ),
    ]
    months = {Month.read(label) for label in labels if label}
    months |= {calendar.month_at(instant) for instant in instants if instant}
    return min(months).until(max(months)) if months else []


def derived(
    service: str,
    month: Month,
    calendar: Calendar,
    more_bounds: Iterable[int] = (),
    *,
    with_digest: bool,
) -> Fields | None:
    """Derive the totals of a period and, for a closed one, its digest. Return None without usage.

    The digest takes longer than the totals, because every record is read and hashed. `more_bounds`
    may be outside of the month, see `counters_at`.
    """
    days = calendar.days(month)
    at_bounds = counters_at(
        service, month, sorted({*days, *map(instant_of, more_bounds)})
    )
    delivery = delivery_in([service], month, calendar).get(service)
    moved = connection_bytes([service], month).get(service)
    used = (moved, delivery, at_bounds["started"][-1], at_bounds["delivery_bytes"][-1])
    if not any(used):
        return None
    kept = MonthUsage({service: at_bounds}, None)
    times = ConnectionTotals(
        sum(kept.minutes(days[0], days[-1]).values()),
        sum(kept.connections(days[0], days[-1]).values()),
    )
    delivery = delivery or DeliveryTotals()
    return (times + (moved or ConnectionTotals())).to_json() | {
        "requests": delivery.requests,
        "delivery_bytes_from_client": delivery.bytes_from_client,
        "delivery_bytes_to_client": delivery.bytes_to_client,
        "delivery_records": delivery_rows([service], days[0], days[-1]).count(),
        "digest": digest_of(service, month, calendar) if with_digest else "",
        "at_bounds": at_bounds,
    }


def differences(
    *, account_id: str = "", month: Month | None = None
) -> Iterator[PeriodMismatch]:
    """Compare periods with the usage records: of one account or all, of one month or all.

    Each is compared in one snapshot of the database. Periods that are missing are returned too.
    """
    services = services_of(account_id)
    owners = owners_of(services)
    for service in services:
        calendar = owners.get(service, Owner()).calendar
        for each in [month] if month is not None else months_of(service, calendar):
            with snapshot():
                found = _difference(service, each, calendar)
            if found is not None:
                yield found


def _difference(
    service: str, month: Month, calendar: Calendar
) -> PeriodMismatch | None:
    row = UsagePeriod.objects.filter(service=service, month=str(month)).first()
    if row is not None and row.replaces_records:
        return None
    found = derived(
        service,
        month,
        calendar,
        (row and row.more_bounds) or (),
        with_digest=row is not None and row.is_closed,
    )
    fields: tuple[str, ...]
    if row is None or row.as_of is None:
        fields = ("there is no period",) if found is not None else ()
    else:
        right = found or NO_USAGE
        fields = tuple(name for name in right if getattr(row, name) != right[name])
    if not fields:
        return None
    is_stale = row is not None and row.is_stale
    return PeriodMismatch(service, str(month), fields, is_stale)


def digest_of(service: str, month: Month, calendar: Calendar) -> str:
    """Return a digest of all usage records of a service in a month, whatever their order."""
    starts_at, ends_at = calendar.starts_at(month), calendar.ends_at(month)
    return digest(
        chain(
            time_lines([service], starts_at, ends_at),
            byte_lines([service], str(month)),
            delivery_lines([service], starts_at, ends_at),
        )
    )
