"""Puts a disputed report in the place of what was counted; for a resolution, behind its door."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from products.metering.commands.merge_sql import ReportSource, merge_delivery
from products.metering.commands.moved import Pair, mark_dirty, periods_touched_by
from products.metering.facts import ConnectionFact, DeliveryFact
from products.metering.models import (
    ConnectionUsage,
    UsageConflict,
    UsagePeriod,
)

_OF_TIME = (
    UsageConflict.Reason.LATE,
    UsageConflict.Reason.FUTURE,
    UsageConflict.Reason.BEFORE_START,
    UsageConflict.Reason.AFTER_END,
)


def apply_reported_connection(
    fact: ConnectionFact, conflict: UsageConflict, now: datetime
) -> None:
    """Count a fact in its month, and make the connection's other months agree with it.

    Of a report that was refused for its time alone, each counter is the larger of both versions.
    """
    # Reports of the connection wait from here on, in the order in which merges lock.
    rows = (
        ConnectionUsage.objects.select_for_update()
        .filter(connection_id=fact.connection_id)
        .order_by("connection_id", "month")
    )
    kept = {row.month: row for row in rows}
    touched = periods_touched_by([fact, *map(fact_of, kept.values())])
    row = kept.pop(fact.month, None)
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
    for other in kept.values():
        other.service, other.started_us = fact.service, fact.started_us
        other.final = other.final and other.duration_us >= fact.duration_us
        if fact.final:
            other.duration_us = min(other.duration_us, fact.duration_us)
        other.save()
    _reopen(touched, now)


def replace_delivery(facts: Mapping[str, Any], now: datetime) -> None:
    """Count a delivery counter of a time that was not taken."""
    fact = DeliveryFact(
        service=facts["service"],
        hour=datetime.fromisoformat(facts["hour"]),
        requests=facts["requests"],
        bytes_from_client=facts["bytes_from_client"],
        bytes_to_client=facts["bytes_to_client"],
    )
    source = ReportSource(
        edge=facts["edge"], boot=facts["boot"], received_at=now, clock_differs=False
    )
    merge_delivery([fact], source)
    _reopen(periods_touched_by([], [fact]), now)


def _reopen(pairs: Collection[Pair], now: datetime) -> None:
    """Let periods be derived again, the settled ones too, and the facts answer until then.

    A sweep that has read the facts of before may settle a period once more after this. The mark
    outlasts that sweep, and has the period derived by the next.
    """
    for service, month in sorted(pairs):
        rows = UsagePeriod.objects.filter(service=service, month=month, settled=True)
        rows.update(settled=False)
    mark_dirty(pairs, now, even_settled=True)


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
