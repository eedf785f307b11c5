"""Open connections, and usage of today."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, Q, QuerySet, Sum

from products.calendars import Calendar
from products.metering.models import ConnectionUsage
from products.metering.queries.daily import MonthUsage, kept_usage
from products.metering.queries.edges import unknown_since
from products.metering.queries.usage import (
    ConnectionTotals,
    last_rows,
    later_rows,
    minutes_within,
)

# Without a report for this long, a connection counts as closed with its last reported duration.
PRESUMED_CLOSED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """How many connections are open, by service and edge."""

    by_service_and_edge: Mapping[tuple[str, str], int]

    @property
    def total(self) -> int:
        """Return the number of all open connections."""
        return sum(self.by_service_and_edge.values())

    def of(self, service_id: str) -> int:
        """Return the number of open connections of a service."""
        return sum(
            count
            for (service, _), count in self.by_service_and_edge.items()
            if service == service_id
        )


@dataclass(frozen=True, slots=True)
class ActivityTotals:
    """Connections of one edge or service: those open now, and the totals of today."""

    open: int = 0
    today: ConnectionTotals = field(default_factory=ConnectionTotals)

    def __add__(self, other: "ActivityTotals") -> "ActivityTotals":
        """Add two totals."""
        return ActivityTotals(self.open + other.open, self.today + other.today)


@dataclass(frozen=True, slots=True)
class CurrentUsage:
    """Open connections, and connections and minutes since midnight in the account's zone.

    If an edge is offline, its connections are unknown since `unknown_since`, its last request.
    """

    open: OpenConnections
    used: Mapping[tuple[str, str], ConnectionTotals]  # today, by service and edge
    unknown_since: datetime | None
    counted_at: datetime | None = None  # as in `UsageAtBounds`; open ones are of now

    @property
    def may_be_open(self) -> bool:
        """Tell whether connections are open or may be open."""
        return self.open.total > 0 or self.unknown_since is not None

    @property
    def today(self) -> ConnectionTotals:
        """Return the totals of today."""
        return sum(self.used.values(), ConnectionTotals())

    @property
    def by_service(self) -> dict[str, ActivityTotals]:
        """Return the connections of each service that is open or was used today, by service id."""
        return self._by(0)

    @property
    def by_edge(self) -> dict[str, ActivityTotals]:
        """Return the connections of each edge, by edge name."""
        return self._by(1)

    def _by(self, index: int) -> dict[str, ActivityTotals]:
        counts = self.open.by_service_and_edge
        totals: dict[str, ActivityTotals] = {}
        for key in sorted({*counts, *self.used}, key=itemgetter(index)):
            more = ActivityTotals(
                counts.get(key, 0), self.used.get(key, ConnectionTotals())
            )
            totals[key[index]] = totals.get(key[index], ActivityTotals()) + more
        return totals


def open_rows() -> "QuerySet[ConnectionUsage]":
    """Return the rows of connections that have neither ended nor are presumed closed.

    A connection with a row of a later month is open there only.
    """
    rows = ConnectionUsage.objects.filter(final=False, presumed_closed_at=None)
    return rows.filter(~Exists(later_rows()))


def open_connections(services: list[str], now: datetime) -> OpenConnections:
    """Return the connections that are open.

    One that was not reported for five minutes is not open, also before the sweep has marked it.
    """
    rows = (
        open_rows()
        .filter(service__in=services, last_reported_at__gt=now - PRESUMED_CLOSED_AFTER)
        .values("service", "edge")
        .annotate(count=Count("pk"))
        .values_list("service", "edge", "count")
    )
    return OpenConnections({(service, edge): count for service, edge, count in rows})


def current_usage(
    services: list[str],
    *,
    calendar: Calendar,
    now: datetime,
    known: MonthUsage | None = None,
) -> CurrentUsage:
    """Return open connections, and the usage since midnight in the billing zone.

    With many records in the month, the usage is read from its periods; not again if it is `known`.
    """
    month = calendar.month_at(now)
    local = ZoneInfo(calendar.zone_in(month))
    midnight = datetime.combine(now.astimezone(local).date(), time(), local)
    # The next local midnight, also on a day of 23 or 25 hours.
    tomorrow = midnight + timedelta(days=1)
    if known is not None and known.knows([midnight, tomorrow]):
        kept = known.of(services) if known.is_by_edge else None
    else:
        kept = kept_usage(services, month, [midnight, tomorrow])
    if kept is not None:
        used = kept.by_edge(midnight, tomorrow)
        return CurrentUsage(
            open=open_connections(services, now),
            used=used,
            # Of edges that are offline, no matter whether all connections of today have ended.
            unknown_since=unknown_since({edge for _, edge in used}, now),
            counted_at=kept.counted_at,
        )
    rows = (
        last_rows(services, midnight, tomorrow)
        .values("service", "edge")
        .annotate(
            minutes=Sum(minutes_within(midnight, tomorrow)),
            count=Count("pk"),
            unended=Count("pk", filter=Q(final=False)),
        )
        .values_list("service", "edge", "minutes", "count", "unended")
    )
    found = list(rows)
    return CurrentUsage(
        open=open_connections(services, now),
        used={
            (service, edge): ConnectionTotals(int(minutes), count)
            for service, edge, minutes, count, _ in found
        },
        unknown_since=unknown_since(
            {edge for _, edge, _, _, open_rows in found if open_rows}, now
        ),
    )
