"""Voided times of edges, and the usage records that are in one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, QuerySet, Sum

from accounts.errors import Conflict, Invalid, NotFound
from products.calendars import Calendar
from products.instants import instant_of, microseconds_of
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
    UsageVoid,
)
from products.metering.queries.periods import Owner, owners_of
from products.metering.queries.usage import (
    ConnectionTotals,
    DeliveryTotals,
    delivery_totals,
    later_rows,
    whole_minutes,
)
from products.months import Month

_HOUR = timedelta(hours=1)


class MonthClosed(Conflict):
    """A month of the usage can no longer change, nor can its bill."""

    code = "month_closed"


@dataclass(frozen=True, slots=True)
class EdgeTime:
    """A half-open period of an edge: connections that started in it, and hours that touch it."""

    edge: str
    starts_at: datetime
    ends_at: datetime

    def has_connection(self, started_us: int) -> bool:
        """Tell whether a connection started in the period."""
        return self.starts_at <= instant_of(started_us) < self.ends_at

    def has_hour(self, hour: datetime) -> bool:
        """Tell whether an hour of ordinary HTTP is partly in the period."""
        return self.starts_at < hour + _HOUR and hour < self.ends_at

    def connections(self) -> "QuerySet[ConnectionUsage]":
        """Return the connections that started in the period."""
        return ConnectionUsage.objects.filter(
            edge=self.edge,
            started_us__gte=microseconds_of(self.starts_at),
            started_us__lt=microseconds_of(self.ends_at),
        )

    def delivery(self) -> "QuerySet[DeliveryUsage]":
        """Return the hours of ordinary HTTP that are partly in the period."""
        return DeliveryUsage.objects.filter(
            edge=self.edge, hour__gt=self.starts_at - _HOUR, hour__lt=self.ends_at
        )

    def disputes(self) -> "Iterator[UsageDispute]":
        """Yield the open disputes about records of the period."""
        rows = UsageDispute.objects.filter(edge=self.edge, resolved_at=None)
        for row in rows.order_by("pk"):
            if row.kind == UsageDispute.Kind.CONNECTION:
                if self.has_connection(row.reported["started_us"]):
                    yield row
            elif self.has_hour(datetime.fromisoformat(row.reported["hour"])):
                yield row


@dataclass(frozen=True, slots=True)
class AffectedUsage:
    """What a period of an edge has of one account, and the first month of the account with it."""

    account_id: str  # empty for services that the portal does not know
    calendar: Calendar
    first_month: Month
    connections: ConnectionTotals
    delivery: DeliveryTotals

    def to_json(self) -> dict[str, int]:
        """Return the amounts as plain values, of connections and ordinary HTTP together."""
        return {
            "connections": self.connections.connections,
            "minutes": self.connections.minutes,
            "requests": self.delivery.requests,
            "bytes_from_client": self.connections.bytes_from_client
            + self.delivery.bytes_from_client,
            "bytes_to_client": self.connections.bytes_to_client
            + self.delivery.bytes_to_client,
        }


def voids_of(edge: str) -> list[EdgeTime]:
    """Return the voided times of an edge: one query, for each report."""
    rows = UsageVoid.objects.filter(edge=edge).values_list("starts_at", "ends_at")
    return [EdgeTime(edge, starts_at, ends_at) for starts_at, ends_at in rows]


def review_void(period: EdgeTime, now: datetime) -> list[AffectedUsage]:
    """Return what a void would take out, by account.

    Raises Invalid for a period that is empty or not over, NotFound for an unknown edge, and
    MonthClosed.
    """
    if period.ends_at <= period.starts_at:
        raise Invalid("Enter an end after the start.", field="ends_at")
    if period.ends_at > now:
        raise Invalid("Enter an end that is not in the future.", field="ends_at")
    if not Edge.objects.filter(name=period.edge).exists():
        raise NotFound(f"There is no edge '{period.edge}'.")
    affected = _affected_usage(period)
    if any(now >= each.calendar.closes_at(each.first_month) for each in affected):
        raise MonthClosed(
            "The period has usage of a month that can no longer change. "
            "Enter a later start, and grant a credit for the time before."
        )
    return affected


def _affected_usage(period: EdgeTime) -> list[AffectedUsage]:
    """Return what a period of an edge has, by account; that of unknown services comes first.

    Minutes are those of whole connections, also of what they lasted after the period.
    """
    connections, first = _connections_by_service(period)
    delivery = delivery_totals(period.delivery())
    owners = owners_of({*connections, *delivery})
    found: dict[str, AffectedUsage] = {}
    for service in sorted({*connections, *delivery}):
        owner = owners.get(service, Owner())
        start = owner.calendar.month_at(period.starts_at)
        known = found.get(
            owner.account_id,
            AffectedUsage(
                owner.account_id,
                owner.calendar,
                start,
                ConnectionTotals(),
                DeliveryTotals(),
            ),
        )
        found[owner.account_id] = AffectedUsage(
            owner.account_id,
            owner.calendar,
            min(known.first_month, first.get(service, start)),
            known.connections + connections.get(service, ConnectionTotals()),
            known.delivery + delivery.get(service, DeliveryTotals()),
        )
    return [found[key] for key in sorted(found)]


def _connections_by_service(
    period: EdgeTime,
) -> tuple[dict[str, ConnectionTotals], dict[str, Month]]:
    """Return the totals by service, and the first month that a record names."""
    times = (
        period.connections()
        .filter(~Exists(later_rows()))
        .order_by()
        .values("service")
        .annotate(total=Sum(whole_minutes(F("duration_us"))), count=Count("pk"))
        .values_list("service", "total", "count")
    )
    totals = {
        service: ConnectionTotals(int(total), count) for service, total, count in times
    }
    months: dict[str, Month] = {}
    rows = (
        period.connections()
        .order_by()
        .values("service", "month")
        .annotate(sent=Sum("bytes_from_client"), received=Sum("bytes_to_client"))
        .values_list("service", "month", "sent", "received")
    )
    for service, label, sent, received in rows:
        totals[service] += ConnectionTotals(0, 0, int(sent), int(received))
        month = Month.read(label)
        months[service] = min(month, months.get(service, month))
    return totals, months
