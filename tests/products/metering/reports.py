"""Edges and their reports, as an edge would make them."""

from datetime import datetime, timedelta
from typing import Any

from products.edge.contract import (
    ConnectionRecord,
    DeliveryRecord,
    UsageAnswer,
    UsageReport,
)
from products.metering.commands import ingest
from products.metering.models import ConnectionUsage, Edge
from tests.factories import NOW

BOOT = "01J0000000000000000000BOOT"
MINUTE_US = 60_000_000
SECOND_US = 1_000_000


def make_edge(name: str = "edge-1", **fields: Any) -> Edge:
    return Edge.objects.create(
        name=name, digest=f"digest of {name}", created_at=NOW, **fields
    )


def wire(instant: datetime) -> str:
    """Write an instant as an edge does."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record(number: int = 1, **fields: Any) -> ConnectionRecord:
    """Describe a connection that began at NOW, 90 seconds ago, and is still open."""
    started_at = fields.pop("started_at", NOW - timedelta(seconds=90))
    edge = fields.pop("edge", "edge-1")
    return ConnectionRecord(
        **{
            "id": f"{edge}.{BOOT}.{number}",
            "service": "service-1",
            "month": "2026-11",
            "started_at": wire(started_at),
            "duration_us": 90 * SECOND_US,
            "bytes_from_client": 1200,
            "bytes_to_client": 5400,
            "final": False,
        }
        | fields
    )


def delivery(**fields: Any) -> DeliveryRecord:
    return DeliveryRecord(
        **{
            "service": "service-1",
            "hour": "2026-11-22T11:00:00Z",
            "requests": 3,
            "bytes_from_client": 900,
            "bytes_to_client": 70_000,
        }
        | fields
    )


def report_of(*records: Any, **fields: Any) -> UsageReport:
    return UsageReport(
        **{
            "edge": "edge-1",
            "boot": BOOT,
            "sent_at": wire(fields.pop("now", NOW)),
            "connections": tuple(r for r in records if isinstance(r, ConnectionRecord)),
            "delivery": tuple(r for r in records if isinstance(r, DeliveryRecord)),
        }
        | fields
    )


def take(edge: Edge, *records: Any, now: datetime = NOW, **fields: Any) -> UsageAnswer:
    """Hand a report in, at the moment it was sent, by an edge that then has nothing left."""
    report = report_of(*records, now=now, edge=edge.name, **fields)
    answer = ingest(edge, report=report, received_at=now)
    Edge.objects.filter(pk=edge.pk).update(reported_at=now)
    return answer


def outcome(answer: UsageAnswer) -> tuple[int, int, list[str]]:
    """Return how many counted, how many said nothing new, and the ids in dispute."""
    disputed = [conflict.id for conflict in answer.conflicts]
    return answer.accepted, answer.unchanged, disputed


def kept() -> list[tuple[Any, ...]]:
    """Return what is counted of connections."""
    rows = ConnectionUsage.objects.order_by("connection_id", "month")
    return list(
        rows.values_list(
            "connection_id",
            "month",
            "service",
            "started_us",
            "duration_us",
            "bytes_from_client",
            "bytes_to_client",
            "final",
        )
    )
