"""What is open now, and what was used today."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count

from products.metering.models import ConnectionUsage
from products.metering.queries.edges import unknown_since
from products.metering.queries.usage import Figures, figures_between

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

    @property
    def by_edge(self) -> dict[str, int]:
        """Return how many are open on each edge, by its name."""
        counts: dict[str, int] = {}
        for (_, edge), count in sorted(self.by_service_and_edge.items()):
            counts[edge] = counts.get(edge, 0) + count
        return counts


@dataclass(frozen=True, slots=True)
class Live:
    """Open connections, and connections and minutes since midnight in the account's zone.

    `unknown_since` is the last word of an edge that is silent now: the figures are as of then.
    """

    open: OpenConnections
    today: Figures
    unknown_since: datetime | None


def open_connections(services: list[str], now: datetime) -> OpenConnections:
    """Return the connections that are open, as last reported.

    Does not wait for the sweep: what was not reported for five minutes is not open.
    """
    rows = (
        ConnectionUsage.objects.filter(
            service__in=services,
            final=False,
            presumed_closed_at=None,
            last_reported_at__gt=now - PRESUMED_CLOSED_AFTER,
        )
        .values("service", "edge")
        .annotate(count=Count("connection_id", distinct=True))
        .values_list("service", "edge", "count")
    )
    return OpenConnections({(service, edge): count for service, edge, count in rows})


def live(services: list[str], *, zone: str, now: datetime) -> Live:
    """Return what is open now and what was used today."""
    here = ZoneInfo(zone)
    midnight = datetime.combine(now.astimezone(here).date(), time(), here)
    tomorrow = midnight + timedelta(
        days=1
    )  # by the calendar: a zone's day is no 24 hours
    today = figures_between(services, midnight, tomorrow)
    return Live(
        open=open_connections(services, now),
        today=sum(today.values(), Figures()),
        unknown_since=unknown_since(now),
    )
