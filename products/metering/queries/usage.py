"""Minutes, connections and bytes of services, from what edges reported (R13, R14).

Minutes follow from a connection's start and its largest duration alone, so they are split over
months by time; bytes are counted by the edge for each month, and taken as reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Greatest, Least

from accounts.models import Account
from products.metering.minutes import MINUTE_US
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageConflict,
    UsagePeriod,
    microseconds_of,
)
from products.metering.months import Month
from products.metering.queries.edges import complete_to
from products.metering.queries.snapshot import snapshot
from products.services.models import Service

# No zone is further from UTC: a local month that begins has begun in UTC by then.
_WIDEST_ZONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ConnectionTotals:
    """What connections used: whole minutes, how many there were, bytes on the client's side."""

    minutes: int = 0
    connections: int = 0
    bytes_from_client: int = 0
    bytes_to_client: int = 0

    def __add__(self, other: "ConnectionTotals") -> "ConnectionTotals":
        """Add two up."""
        return ConnectionTotals(
            self.minutes + other.minutes,
            self.connections + other.connections,
            self.bytes_from_client + other.bytes_from_client,
            self.bytes_to_client + other.bytes_to_client,
        )

    def to_json(self) -> dict[str, int]:
        """Give the figures as plain values."""
        return {
            "minutes": self.minutes,
            "connections": self.connections,
            "bytes_from_client": self.bytes_from_client,
            "bytes_to_client": self.bytes_to_client,
        }


@dataclass(frozen=True, slots=True)
class DeliveryTotals:
    """What ordinary HTTP used; rated together with the connections' bytes (R15)."""

    requests: int = 0
    bytes_from_client: int = 0
    bytes_to_client: int = 0

    def __add__(self, other: "DeliveryTotals") -> "DeliveryTotals":
        """Add two up."""
        return DeliveryTotals(
            self.requests + other.requests,
            self.bytes_from_client + other.bytes_from_client,
            self.bytes_to_client + other.bytes_to_client,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account used in a month of its billing zone.

    All that edges counted until `complete_to` is in it; None where one never reported. So many
    `conflicts` wait for a person, and what they dispute is not counted.
    """

    month: str
    services: Mapping[str, ConnectionTotals]
    delivery: Mapping[str, DeliveryTotals] = field(default_factory=dict)
    complete_to: datetime | None = None
    conflicts: int = 0

    @property
    def total(self) -> ConnectionTotals:
        """Return the figures of all services together."""
        return sum(self.services.values(), ConnectionTotals())

    @property
    def total_delivery(self) -> DeliveryTotals:
        """Return the delivery of all services together."""
        return sum(self.delivery.values(), DeliveryTotals())

    def to_json(self) -> dict[str, Any]:
        """Give the connections' usage as plain values."""
        services = {key: each.to_json() for key, each in sorted(self.services.items())}
        return {
            "month": self.month,
            **self.total.to_json(),
            "services": services,
            "complete_to": self.complete_to.isoformat() if self.complete_to else None,
            "conflicts": self.conflicts,
        }


def service_ids_of(account_id: str) -> list[str]:
    """Return the ids of all services an account ever had: usage outlives a deletion."""
    return list(
        Service.objects.filter(account_id=account_id).values_list("pk", flat=True)
    )


@snapshot()
def usage_of(account_id: str, month: Month) -> Usage:
    """Return what an account used in a month.

    Of services whose period is settled by the period, so that no fact is read; of all others, and
    where a month that is over has no period yet, by the facts as they are now. All of it is of one
    moment, so what is said to be complete is in it.
    """
    account = Account.objects.get(pk=account_id)
    services = service_ids_of(account_id)
    figures, delivery = _settled_in(services, month)
    if rest := [service for service in services if service not in figures]:
        figures |= figures_in(rest, month, account.billing_zone)
        delivery |= delivery_in(rest, month, account.billing_zone)
    return Usage(
        month=str(month),
        services={
            key: each for key, each in figures.items() if each != ConnectionTotals()
        },
        delivery={
            key: each for key, each in delivery.items() if each != DeliveryTotals()
        },
        complete_to=complete_to(),
        conflicts=open_conflicts(services, month),
    )


def _settled_in(
    services: list[str], month: Month
) -> tuple[dict[str, ConnectionTotals], dict[str, DeliveryTotals]]:
    rows = UsagePeriod.objects.filter(
        service__in=services, month=str(month), settled=True
    )
    figures, delivery = {}, {}
    for row in rows:
        figures[row.service] = ConnectionTotals(
            row.minutes, row.connections, row.bytes_from_client, row.bytes_to_client
        )
        delivery[row.service] = DeliveryTotals(
            row.requests, row.delivery_bytes_from_client, row.delivery_bytes_to_client
        )
    return figures, delivery


def figures_in(
    services: list[str], month: Month, zone: str
) -> dict[str, ConnectionTotals]:
    """Return the figures of services in a month, by id; those without any are left out."""
    figures = figures_between(services, month.starts_at(zone), month.ends_at(zone))
    for service, sent, received in (
        ConnectionUsage.objects.filter(service__in=services, month=str(month))
        .values("service")
        .annotate(Sum("bytes_from_client"), Sum("bytes_to_client"))
        .values_list("service", "bytes_from_client__sum", "bytes_to_client__sum")
    ):
        known = figures.get(service, ConnectionTotals())
        figures[service] = known + ConnectionTotals(0, 0, int(sent), int(received))
    return figures


def figures_between(
    services: list[str], starts_at: datetime, ends_at: datetime
) -> dict[str, ConnectionTotals]:
    """Return minutes and connections within a half-open period, by service; bytes are left at 0.

    The parts of a connection add up to the minutes of the whole, whatever the periods.
    """
    rows = (
        last_rows(services, starts_at, ends_at)
        .values("service")
        .annotate(total=Sum(minutes_within(starts_at, ends_at)), count=Count("pk"))
        .values_list("service", "total", "count")
    )
    return {
        service: ConnectionTotals(int(total), count) for service, total, count in rows
    }


def last_rows(
    services: list[str], starts_at: datetime, ends_at: datetime
) -> "QuerySet[ConnectionUsage]":
    """Return one row, the last month's, of each connection that was open within a period.

    Its month may be named by another zone than that of the period, so one month is allowed for.
    """
    start, end = microseconds_of(starts_at), microseconds_of(ends_at)
    earliest = Month.at(starts_at + _WIDEST_ZONE, "UTC").plus(-1)
    # A connection's service never changes: named here, only theirs are read, not everybody's.
    later = ConnectionUsage.objects.filter(
        service__in=services,
        month__gt=str(earliest),
        connection_id=OuterRef("connection_id"),
    ).filter(month__gt=OuterRef("month"))
    return (
        ConnectionUsage.objects.filter(
            service__in=services, month__gte=str(earliest), started_us__lt=end
        )
        .alias(ended_us=_integer(F("started_us") + F("duration_us")))
        .filter(Q(started_us__gte=start) | Q(ended_us__gt=start))
        .filter(~Exists(later))
        .order_by()
    )


def delivery_in(
    services: list[str], month: Month, zone: str
) -> dict[str, DeliveryTotals]:
    """Return the ordinary HTTP of services in a month, by id."""
    rows = (
        DeliveryUsage.objects.filter(
            service__in=services,
            hour__gte=month.starts_at(zone),
            hour__lt=month.ends_at(zone),
        )
        .values("service")
        .annotate(Sum("requests"), Sum("bytes_from_client"), Sum("bytes_to_client"))
        .values_list(
            "service",
            "requests__sum",
            "bytes_from_client__sum",
            "bytes_to_client__sum",
        )
    )
    return {service: DeliveryTotals(*map(int, sums)) for service, *sums in rows}


def open_conflicts(services: list[str], month: Month) -> int:
    """Return how many conflicts about services in a month wait for a person."""
    return UsageConflict.objects.filter(
        service__in=services, month=str(month), resolved_at=None
    ).count()


def minutes_within(starts_at: datetime, ends_at: datetime) -> Expression:
    """Say in SQL what `minutes.minutes_within` says: a difference of two roundings."""
    start, end = microseconds_of(starts_at), microseconds_of(ends_at)
    until_end = Least(F("duration_us"), _number(end) - F("started_us"))
    until_start = Least(
        F("duration_us"), Greatest(_number(0), _number(start) - F("started_us"))
    )
    return _integer(_rounded_up(until_end) - _rounded_up(until_start))


def _rounded_up(microseconds: Expression) -> Combinable:
    return _integer(microseconds + _number(MINUTE_US - 1)) / _number(MINUTE_US)


def _number(value: int) -> Value:
    return Value(value, output_field=BigIntegerField())


def _integer(expression: Combinable) -> "ExpressionWrapper[Combinable]":
    return ExpressionWrapper(expression, output_field=BigIntegerField())
