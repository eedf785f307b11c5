"""What is open now, and what was used today."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum

from products.metering.models import ConnectionUsage
from products.metering.queries.edges import unknown_since
from products.metering.queries.usage import ConnectionTotals, last_rows, minutes_within

# Without a word for so long, a connection counts as closed at its last known duration.
PRESUMED_CLOSED_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """How many connections are open, by service and edge."""

    by_service_and_edge: Mapping[tuple[str, str], int]

    @property
    def total(self) -> int:
        """Return how many are open in all."""
        return sum(self.by_service_and_edge.values())

    def of(self, service_id: str) -> int:
        """Return how many are open on a service."""
        return sum(
            count
            for (service, _), count in self.by_service_and_edge.items()
            if service == service_id
        )


@dataclass(frozen=True, slots=True)
class ActivityTotals:
    """What is seen of one edge or one service: connections open now, and those of today."""

    open: int = 0
    today: ConnectionTotals = field(default_factory=ConnectionTotals)

    def __add__(self, other: "ActivityTotals") -> "ActivityTotals":
        """Add two up."""
        return ActivityTotals(self.open + other.open, self.today + other.today)


@dataclass(frozen=True, slots=True)
class CurrentUsage:
    """Open connections, and connections and minutes since midnight in the account's zone.

    `unknown_since` is the last word of an edge that is silent now: the figures are as of then.
    """

    open: OpenConnections
    used: Mapping[tuple[str, str], ConnectionTotals]  # today, by service and edge
    unknown_since: datetime | None

    @property
    def may_be_open(self) -> bool:
        """Tell whether connections are open, as far as anybody can know."""
        return self.open.total > 0 or self.unknown_since is not None

    @property
    def today(self) -> ConnectionTotals:
        """Return what was used today in all."""
        return sum(self.used.values(), ConnectionTotals())

    @property
    def by_service(self) -> dict[str, ActivityTotals]:
        """Return what is seen of each service that is or was used today, by its id."""
        return self._by(0)

    @property
    def by_edge(self) -> dict[str, ActivityTotals]:
        """Return what is seen of each edge that carried some of it, by its name."""
        return self._by(1)

    def _by(self, place: int) -> dict[str, ActivityTotals]:
        counts = self.open.by_service_and_edge
        seen: dict[str, ActivityTotals] = {}
        for key in sorted({*counts, *self.used}, key=itemgetter(place)):
            more = ActivityTotals(
                counts.get(key, 0), self.used.get(key, ConnectionTotals())
            )
            seen[key[place]] = seen.get(key[place], ActivityTotals()) + more
        return seen


def open_rows() -> "QuerySet[ConnectionUsage]":
    """Return the rows of connections that neither ended nor are presumed closed, however old.

    A row whose connection lives on in a later month is done with, though it is never final.
    """
    later = ConnectionUsage.objects.filter(
        connection_id=OuterRef("connection_id"), month__gt=OuterRef("month")
    )
    return ConnectionUsage.objects.filter(final=False, presumed_closed_at=None).filter(
        ~Exists(later)
    )


def open_connections(services: list[str], now: datetime) -> OpenConnections:
    """Return the connections that are open, as last reported.

    Does not wait for the sweep: what was not reported for five minutes is not open.
    """
    rows = (
        open_rows()
        .filter(service__in=services, last_reported_at__gt=now - PRESUMED_CLOSED_AFTER)
        .values("service", "edge")
        .annotate(count=Count("pk"))
        .values_list("service", "edge", "count")
    )
    return OpenConnections({(service, edge): count for service, edge, count in rows})


def current_usage(services: list[str], *, zone: str, now: datetime) -> CurrentUsage:
    """Return what is open now and what was used today."""
    here = ZoneInfo(zone)
    midnight = datetime.combine(now.astimezone(here).date(), time(), here)
    tomorrow = midnight + timedelta(
        days=1
    )  # by the calendar: a zone's day is no 24 hours
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
