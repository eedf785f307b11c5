"""Minutes, connections and bytes of services, from what edges reported (R13, R14).

Minutes depend only on the start and the longest reported duration of a connection, so they are
split over months by time. Edges count bytes per month; these are taken as reported.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Greatest, Least

from accounts.models import Account
from products.calendars import Calendar, calendar_of
from products.instants import microseconds_of
from products.metering.minutes import MINUTE_US
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries.edges import complete_to
from products.months import MAX_UTC_OFFSET, Month
from products.services.models import Service

_BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Deferred, so that it does not wait for writers. Django's own transactions here are immediate.
    "sqlite": "BEGIN DEFERRED",
}


# Up to so many connections and records of ordinary HTTP, the usage of a month is summed up from its
# records. PostgreSQL takes about 25 ms for as many of either.
MAX_COUNTED_NOW = 10_000
MAX_DELIVERY_COUNTED_NOW = 20_000
# A query that reads as many keys takes a fraction of a second; the web server allows 15 seconds.
KEYS_PER_QUERY = 50_000
_CHUNK = 5_000  # rows fetched from the database at a time


@dataclass(frozen=True, slots=True)
class ConnectionTotals:
    """Usage of connections: whole minutes, number of connections, bytes on the client's side."""

    minutes: int = 0
    connections: int = 0
    bytes_from_client: int = 0
    bytes_to_client: int = 0

    def __add__(self, other: "ConnectionTotals") -> "ConnectionTotals":
        """Add two totals."""
        return ConnectionTotals(
            self.minutes + other.minutes,
            self.connections + other.connections,
            self.bytes_from_client + other.bytes_from_client,
            self.bytes_to_client + other.bytes_to_client,
        )

    def to_json(self) -> dict[str, int]:
        """Return the totals as plain values."""
        return {
            "minutes": self.minutes,
            "connections": self.connections,
            "bytes_from_client": self.bytes_from_client,
            "bytes_to_client": self.bytes_to_client,
        }


@dataclass(frozen=True, slots=True)
class DeliveryTotals:
    """Usage of ordinary HTTP; rated together with the bytes of connections (R15)."""

    requests: int = 0
    bytes_from_client: int = 0
    bytes_to_client: int = 0

    def __add__(self, other: "DeliveryTotals") -> "DeliveryTotals":
        """Add two totals."""
        return DeliveryTotals(
            self.requests + other.requests,
            self.bytes_from_client + other.bytes_from_client,
            self.bytes_to_client + other.bytes_to_client,
        )

    def to_json(self) -> dict[str, int]:
        """Return the totals as plain values."""
        return {
            "requests": self.requests,
            "bytes_from_client": self.bytes_from_client,
            "bytes_to_client": self.bytes_to_client,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account used in a month of its billing zone.

    All usage up to `complete_to` is included; None if an edge has never reported. Records of open
    `disputes` are not included.
    """

    month: str
    services: Mapping[str, ConnectionTotals]
    delivery: Mapping[str, DeliveryTotals] = field(default_factory=dict)
    complete_to: datetime | None = None
    disputes: int = 0

    @property
    def total(self) -> ConnectionTotals:
        """Return the totals of all services."""
        return sum(self.services.values(), ConnectionTotals())

    @property
    def total_delivery(self) -> DeliveryTotals:
        """Return the delivery totals of all services."""
        return sum(self.delivery.values(), DeliveryTotals())

    def to_json(self) -> dict[str, Any]:
        """Return the usage as plain values; that of ordinary HTTP is in `delivery`."""
        services = {key: each.to_json() for key, each in sorted(self.services.items())}
        return {
            "month": self.month,
            **self.total.to_json(),
            "services": services,
            "delivery": self.total_delivery.to_json()
            | {
                "services": {
                    key: each.to_json() for key, each in sorted(self.delivery.items())
                }
            },
            "complete_to": self.complete_to.isoformat() if self.complete_to else None,
            "conflicts": self.disputes,
        }


def service_ids_of(account_id: str) -> list[str]:
    """Return the ids of all services an account ever had: usage outlives a deletion."""
    return list(
        Service.objects.filter(account_id=account_id).values_list("pk", flat=True)
    )


@contextmanager
def snapshot() -> Iterator[None]:
    """Run several queries on the same state of the database.

    Snapshots do not nest. Within a transaction this does nothing.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN[connection.vendor])
        try:
            yield
        finally:
            cursor.execute("COMMIT")  # ends the transaction after an error, too


@snapshot()
def usage_of(
    account_id: str, month: Month, *, services: Collection[str] | None = None
) -> Usage:
    """Return what an account used in a month; with `services`, only what these of it used.

    Closed periods replace the usage records of their services; with many records, the other
    derived periods as well. What is left is summed up from the records. Totals and `complete_to`
    are of one snapshot of the database.
    """
    calendar = calendar_of(Account.objects.get(pk=account_id))
    owned = service_ids_of(account_id)
    wanted = [each for each in owned if services is None or each in services]
    periods = _periods_for(wanted, month)
    totals, delivery = _totals_of(periods)
    if rest := [service for service in wanted if service not in totals]:
        totals |= totals_in(rest, month, calendar)
        delivery |= delivery_in(rest, month, calendar)
    return Usage(
        month=str(month),
        services={
            key: each for key, each in totals.items() if each != ConnectionTotals()
        },
        delivery={
            key: each for key, each in delivery.items() if each != DeliveryTotals()
        },
        complete_to=_complete_to(periods),
        disputes=open_disputes(wanted, month),
    )


@dataclass(frozen=True, slots=True)
class MonthState:
    """Whether the usage of services in a month is to be read from periods, and not from records.

    That is if there are many of them, or if all periods are closed: their records may be deleted.
    """

    has_many_connections: bool
    has_many_records: bool  # connections, or hours of ordinary HTTP
    is_closed: bool


def month_state(services: Sequence[str], month: Month) -> MonthState:
    """Return the state of a month: one query.

    The connections of the month before count as well, because `last_rows` reads its rows.
    """
    label = str(month)
    found = UsagePeriod.objects.filter(
        service__in=services, month__in=[str(month.plus(-1)), label]
    ).aggregate(
        Sum("connections"),
        delivery=Sum("delivery_records", filter=Q(month=label)),
        closed=Count("pk", filter=Q(month=label, is_closed=True)),
        open=Count("pk", filter=Q(month=label, is_closed=False)),
    )
    has_many_connections = (found["connections__sum"] or 0) > MAX_COUNTED_NOW
    has_much_delivery = (found["delivery"] or 0) > MAX_DELIVERY_COUNTED_NOW
    return MonthState(
        has_many_connections=has_many_connections,
        has_many_records=has_many_connections or has_much_delivery,
        is_closed=bool(found["closed"]) and not found["open"],
    )


def _periods_for(services: list[str], month: Month) -> list[UsagePeriod]:
    """Return the periods that are read in place of their usage records."""
    rows = UsagePeriod.objects.filter(service__in=services, month=str(month))
    counts = Q(is_closed=True)
    if month_state(services, month).has_many_records:
        counts |= Q(as_of__isnull=False)
    return list(rows.filter(counts).defer("at_bounds", "more_bounds"))


def _complete_to(periods: Iterable[UsagePeriod]) -> datetime | None:
    """Return until when all usage has arrived and, if it is read from periods, was derived."""
    derived = [row.as_of for row in periods if row.is_stale and row.as_of is not None]
    arrived = complete_to()
    return None if arrived is None else min([arrived, *derived])


def _totals_of(
    periods: Iterable[UsagePeriod],
) -> tuple[dict[str, ConnectionTotals], dict[str, DeliveryTotals]]:
    totals, delivery = {}, {}
    for row in periods:
        totals[row.service] = ConnectionTotals(
            row.minutes, row.connections, row.bytes_from_client, row.bytes_to_client
        )
        delivery[row.service] = DeliveryTotals(
            row.requests, row.delivery_bytes_from_client, row.delivery_bytes_to_client
        )
    return totals, delivery


def totals_in(
    services: list[str], month: Month, calendar: Calendar
) -> dict[str, ConnectionTotals]:
    """Return the totals of services in a month, by id; services without usage are left out."""
    totals = totals_between(
        services, calendar.starts_at(month), calendar.ends_at(month)
    )
    for service, moved in connection_bytes(services, month).items():
        totals[service] = totals.get(service, ConnectionTotals()) + moved
    return totals


def connection_bytes(services: list[str], month: Month) -> dict[str, ConnectionTotals]:
    """Return the bytes that edges counted for connections in a month, by service, without times."""
    rows = ConnectionUsage.objects.filter(service__in=services, month=str(month))
    sums = rows.values("service").annotate(
        Sum("bytes_from_client"), Sum("bytes_to_client")
    )
    names = ("bytes_from_client__sum", "bytes_to_client__sum")
    return {
        service: ConnectionTotals(0, 0, int(sent), int(received))
        for service, sent, received in sums.values_list("service", *names)
    }


def totals_between(
    services: list[str], starts_at: datetime, ends_at: datetime
) -> dict[str, ConnectionTotals]:
    """Return minutes and connections of a half-open period by service, without bytes.

    The parts of a connection add up to the minutes of the whole, for any periods.
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


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys of rows that are read in the order of their key, `step` keys with each query."""

    first: int
    last: int
    step: int


def key_range(rows: "QuerySet[ConnectionUsage]") -> KeyRange:
    """Return the range of the keys of rows that an index finds."""
    # Not the bare key: PostgreSQL would look for the first such row in the index of all keys.
    key = integer(F("pk") + number(0))
    found = rows.order_by().aggregate(
        first=Min(key), last=Max(key), count=Count("connection_id")
    )
    if not found["count"]:
        return KeyRange(0, -1, 1)
    first, last = found["first"], found["last"]
    # Few rows are found by one query, however far apart their keys are.
    is_few = found["count"] <= KEYS_PER_QUERY
    return KeyRange(first, last, last - first + 1 if is_few else KEYS_PER_QUERY)


def by_key(
    rows: "QuerySet[ConnectionUsage]", keys: KeyRange, names: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Yield values of rows in the order of their key, with many short queries.

    One query for all would yield nothing until the database has found and sorted every row.
    """
    for first in range(keys.first, keys.last + 1, keys.step):
        page = rows.filter(pk__gte=first, pk__lt=first + keys.step, pk__lte=keys.last)
        yield from page.order_by("pk").values_list(*names).iterator(_CHUNK)


def earliest_month(starts_at: datetime) -> str:
    """Return the month from which rows are read for a period that starts at an instant.

    Rows of the month before are read too, because their month can be that of another zone.
    """
    return str(Month.at(starts_at + MAX_UTC_OFFSET, "UTC").plus(-1))


def rows_before(
    services: list[str], earliest: str, ends_us: int
) -> "QuerySet[ConnectionUsage]":
    """Return the rows of connections that can have been open in a period with that `earliest_month`.

    It ends at an instant in microseconds since 1970.
    """
    return ConnectionUsage.objects.filter(
        service__in=services, month__gte=earliest, started_us__lt=ends_us
    )


def later_rows() -> "QuerySet[ConnectionUsage]":
    """Return the rows of the same connection in later months, as a subquery of a row's query."""
    return ConnectionUsage.objects.filter(
        connection_id=OuterRef("connection_id"), month__gt=OuterRef("month")
    )


def last_rows(
    services: list[str],
    starts_at: datetime,
    ends_at: datetime,
    keys: KeyRange | None = None,
) -> "QuerySet[ConnectionUsage]":
    """Return the row of the last month of each connection that was open within a period.

    With `keys`, later rows do not count. So several queries agree on which row is the last.
    """
    return last_rows_from(
        services,
        earliest_month(starts_at),
        microseconds_of(starts_at),
        microseconds_of(ends_at),
        keys=keys,
    )


def last_rows_from(
    services: list[str],
    earliest: str,
    starts_us: int,
    ends_us: int,
    *,
    keys: KeyRange | None = None,
) -> "QuerySet[ConnectionUsage]":
    """Return `last_rows` of a period in microseconds since 1970, and its `earliest_month`."""
    # A connection never changes its service, so only rows of these services are read.
    later = later_rows().filter(service__in=services, month__gt=earliest)
    if keys is not None:
        later = later.filter(pk__lte=keys.last)
    return (
        rows_before(services, earliest, ends_us)
        .alias(ended_us=integer(F("started_us") + F("duration_us")))
        .filter(Q(started_us__gte=starts_us) | Q(ended_us__gt=starts_us))
        .filter(~Exists(later))
        .order_by()
    )


def byte_rows(services: Sequence[str], month: str) -> "QuerySet[ConnectionUsage]":
    """Return the row of each connection of services in a month: it has the bytes of the month."""
    rows = ConnectionUsage.objects.filter(service__in=services, month=month)
    return rows.order_by()


def delivery_rows(
    services: Sequence[str], starts_at: datetime, ends_at: datetime
) -> "QuerySet[DeliveryUsage]":
    """Return the ordinary HTTP of services by hour and instance, in a half-open period."""
    return DeliveryUsage.objects.filter(
        service__in=services, hour__gte=starts_at, hour__lt=ends_at
    )


def delivery_in(
    services: list[str], month: Month, calendar: Calendar
) -> dict[str, DeliveryTotals]:
    """Return the ordinary HTTP of services in a month, by id."""
    return delivery_between(
        services, calendar.starts_at(month), calendar.ends_at(month)
    )


def delivery_between(
    services: list[str], starts_at: datetime, ends_at: datetime
) -> dict[str, DeliveryTotals]:
    """Return the ordinary HTTP of services in a half-open period, by id."""
    return delivery_totals(delivery_rows(services, starts_at, ends_at))


def delivery_totals(rows: "QuerySet[DeliveryUsage]") -> dict[str, DeliveryTotals]:
    """Return the sums of rows of ordinary HTTP, by their service's id."""
    sums = (
        rows.order_by()
        .values("service")
        .annotate(Sum("requests"), Sum("bytes_from_client"), Sum("bytes_to_client"))
        .values_list(
            "service",
            "requests__sum",
            "bytes_from_client__sum",
            "bytes_to_client__sum",
        )
    )
    return {service: DeliveryTotals(*map(int, each)) for service, *each in sums}


def open_disputes(services: list[str], month: Month) -> int:
    """Return the number of open disputes about services in a month."""
    return UsageDispute.objects.filter(
        service__in=services, month=str(month), resolved_at=None
    ).count()


def minutes_within(starts_at: datetime, ends_at: datetime) -> Expression:
    """Return SQL for the whole minutes of a connection within a half-open period.

    The difference of two roundings: the minutes until the end of the period less those until its
    start. See `products.metering.minutes`.
    """
    start, end = microseconds_of(starts_at), microseconds_of(ends_at)
    until_end = Least(F("duration_us"), number(end) - F("started_us"))
    until_start = Least(
        F("duration_us"), Greatest(number(0), number(start) - F("started_us"))
    )
    return integer(whole_minutes(until_end) - whole_minutes(until_start))


def whole_minutes(microseconds: Combinable) -> Combinable:
    """Return SQL for `products.metering.minutes.minutes`, of integers that are not negative."""
    return integer(microseconds + number(MINUTE_US - 1)) / number(MINUTE_US)


class WholeSeconds(Func):
    """An instant as whole seconds since 1970, in the SQL of each database."""

    output_field = BigIntegerField()

    def as_sqlite(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler, connection, **context):  # type: ignore[no-untyped-def] # Django's
        template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


def number(value: int) -> Value:
    """Return SQL for a whole number of 64 bits."""
    return Value(value, output_field=BigIntegerField())


def integer(expression: Combinable) -> "ExpressionWrapper[Combinable]":
    """Return SQL for an expression as a whole number of 64 bits."""
    return ExpressionWrapper(expression, output_field=BigIntegerField())
