"""Puts a disputed report in the place of what was counted; for a resolution, behind its door."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from products.metering.commands.moved import Pair, mark_moved, moved_by
from products.metering.facts import ConnectionFact, DeliveryFact
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageConflict,
    UsagePeriod,
)

_OF_TIME = (
    UsageConflict.Reason.LATE,
    UsageConflict.Reason.FUTURE,
    UsageConflict.Reason.BEFORE_START,
)


def replace_connection(
    fact: ConnectionFact, conflict: UsageConflict, now: datetime
) -> None:
    """Count a fact in its month, and make the connection's other months agree with it.

    Of a report that was refused for its time alone, each counter is the larger of both versions.
    """
    rows = ConnectionUsage.objects.filter(connection_id=fact.connection_id)
    touched = moved_by([fact, *map(fact_of, rows)])
    row = rows.filter(month=fact.month).first()
    if row is None:
        row = ConnectionUsage(
            edge=conflict.edge, clock_differs=False, last_reported_at=now
        )
    elif conflict.reason in _OF_TIME:
        fact = _larger(fact, row)
    for name, value in fact._asdict().items():
        setattr(row, name, value)
    row.presumed_closed_at = None if row.final else now
    row.save()
    for other in rows.exclude(month=fact.month):
        other.service, other.started_us = fact.service, fact.started_us
        other.final = other.final and other.duration_us >= fact.duration_us
        if fact.final:
            other.duration_us = min(other.duration_us, fact.duration_us)
        other.save()
    _unsettle(touched, now)


def replace_delivery(facts: Mapping[str, Any], now: datetime) -> None:
    """Count a delivery counter of a time that was not taken."""
    key = {name: facts[name] for name in ("edge", "boot", "service")} | {
        "hour": datetime.fromisoformat(facts["hour"])
    }
    row = DeliveryUsage.objects.filter(**key).first() or DeliveryUsage(
        **key, requests=0, bytes_from_client=0, bytes_to_client=0
    )
    for name in ("requests", "bytes_from_client", "bytes_to_client"):
        setattr(row, name, max(getattr(row, name), facts[name]))
    row.save()
    fact = DeliveryFact(row.service, row.hour, row.requests, 0, 0)
    _unsettle(moved_by([], [fact]), now)


def _unsettle(pairs: Collection[Pair], now: datetime) -> None:
    """Let periods be derived again, the settled ones too, and the facts answer until then.

    A sweep that has read the facts of before may settle a period once more after this. The mark
    outlasts that sweep, and has the period derived by the next.
    """
    for service, month in sorted(pairs):
        rows = UsagePeriod.objects.filter(service=service, month=month, settled=True)
        rows.update(settled=False)
    mark_moved(pairs, now, even_settled=True)


def fact_of(row: ConnectionUsage) -> ConnectionFact:
    """Return what a row says as a fact."""
    return ConnectionFact(*(getattr(row, name) for name in ConnectionFact._fields))


def _larger(fact: ConnectionFact, row: ConnectionUsage) -> ConnectionFact:
    return fact._replace(
        duration_us=max(fact.duration_us, row.duration_us),
        bytes_from_client=max(fact.bytes_from_client, row.bytes_from_client),
        bytes_to_client=max(fact.bytes_to_client, row.bytes_to_client),
        final=fact.final or row.final,
    )
