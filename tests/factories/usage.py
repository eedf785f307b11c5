"""Usage records for bills, written as edges' reports would leave them."""

from datetime import UTC, datetime, timedelta

from products.instants import microseconds_of
from products.metering.models import ConnectionUsage, DeliveryUsage, Edge
from tests.factories import NOW

MINUTE_US = 60_000_000
TEN_DAYS = 14_400  # minutes


def connection_usage(
    service, started_at: datetime, minutes: int, *, month="2026-10", name="", **fields
):
    """Save a connection of so many whole minutes."""
    key = name or f"edge-1.I.{ConnectionUsage.objects.count()}"
    return ConnectionUsage.objects.create(
        connection_id=key,
        month=month,
        service=service.pk,
        edge="edge-1",
        started_us=microseconds_of(started_at),
        duration_us=minutes * MINUTE_US,
        bytes_from_client=fields.get("bytes_from_client", 0),
        bytes_to_client=fields.get("bytes_to_client", 0),
        final=True,
        clock_differs=False,
        last_reported_at=started_at,
    )


def many_minutes(service, minutes: int, name: str):
    """Save enough connections of ten days each, in the middle of October."""
    whole, rest = divmod(minutes, TEN_DAYS)
    start = datetime(2026, 10, 15, tzinfo=UTC)
    template = connection_usage(service, start, rest, name=f"{name}.rest")
    ConnectionUsage.objects.bulk_create(
        ConnectionUsage(
            connection_id=f"{name}.{number}",
            month="2026-10",
            service=service.pk,
            edge="edge-1",
            started_us=template.started_us,
            duration_us=TEN_DAYS * MINUTE_US,
            bytes_from_client=0,
            bytes_to_client=0,
            final=True,
            clock_differs=False,
            last_reported_at=start,
        )
        for number in range(whole)
    )


def delivery_usage(service, hour: datetime, bytes_to_client: int, **fields):
    """Save the ordinary HTTP of a service in an hour."""
    return DeliveryUsage.objects.create(
        edge="edge-1",
        instance=fields.get("instance", "i"),
        service=service.pk,
        hour=hour,
        requests=5,
        bytes_from_client=fields.get("bytes_from_client", 0),
        bytes_to_client=bytes_to_client,
    )


def reporting_edge(now: datetime) -> Edge:
    """Create an edge from which all usage up to a minute ago has arrived."""
    return Edge.objects.create(
        name="edge-1",
        digest="x",
        created_at=NOW,
        reported_at=now - timedelta(minutes=1),
        last_seen_at=now,
    )
