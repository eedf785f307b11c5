"""Edges and their reports, as an edge would make them."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from products.edge.contract import (
    ConnectionRecord,
    DeliveryRecord,
    UsageAnswer,
    UsageReport,
)
from products.metering.commands import ingest
from products.metering.models import ConnectionUsage, Edge
from tests.factories import NOW

INSTANCE = "01J0000000000000000000EDGE"
MINUTE_US = 60_000_000
SECOND_US = 1_000_000


def make_edge(name: str = "edge-1", **fields: Any) -> Edge:
    own = {"digest": f"digest of {name}", "created_at": NOW}
    return Edge.objects.create(name=name, **own | fields)


def iso(instant: datetime) -> str:
    """Return an instant as an edge writes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record(number: int = 1, **fields: Any) -> ConnectionRecord:
    """Return a record of a connection that started 90 seconds before NOW and is open."""
    started_at = fields.pop("started_at", NOW - timedelta(seconds=90))
    edge = fields.pop("edge", "edge-1")
    return msgspec.convert(
        {
            "id": f"{edge}.{INSTANCE}.{number}",
            "service": "service-1",
            "month": "2026-11",
            "started_at": started_at,
            "duration_us": 90 * SECOND_US,
            "bytes_from_client": 1200,
            "bytes_to_client": 5400,
            "final": False,
        }
        | fields,
        ConnectionRecord,
    )


def delivery(**fields: Any) -> DeliveryRecord:
    return msgspec.convert(
        {
            "service": "service-1",
            "hour": "2026-11-22T11:00:00Z",
            "requests": 3,
            "bytes_from_client": 900,
            "bytes_to_client": 70_000,
        }
        | fields,
        DeliveryRecord,
    )


def report_of(*records: Any, **fields: Any) -> UsageReport:
    return UsageReport(
        **{
            "edge": "edge-1",
            "instance": INSTANCE,
            "sent_at": fields.pop("now", NOW),
            "connections": tuple(r for r in records if isinstance(r, ConnectionRecord)),
            "delivery": tuple(r for r in records if isinstance(r, DeliveryRecord)),
        }
        | fields
    )


def take(edge: Edge, *records: Any, now: datetime = NOW, **fields: Any) -> UsageAnswer:
    """Ingest a report when it is sent, from an edge that then has no unsent usage."""
    report = report_of(*records, now=now, edge=edge.name, **fields)
    answer = ingest(edge, report=report, received_at=now)
    Edge.objects.filter(pk=edge.pk).update(reported_at=now)
    return answer


def outcome(answer: UsageAnswer) -> tuple[int, int, list[str]]:
    """Return how many records counted, how many added nothing, and the ids in dispute."""
    disputed = [each.id for each in answer.conflicts]
    return answer.accepted, answer.unchanged, disputed


def kept() -> list[tuple[Any, ...]]:
    """Return the recorded connections."""
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
