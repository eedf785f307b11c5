"""Ingest usage reports of edges: in any order and any number of times, with the same result."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.errors import Forbidden
from products.edge import contract
from products.metering.commands.disputes import (
    connection_dispute,
    contradiction_reason,
    out_of_window_connections,
    out_of_window_delivery,
    save_disputes,
    with_new_information,
)
from products.metering.commands.edges import ingest_epoch, note_report
from products.metering.commands.merge_sql import (
    ReportSource,
    merge_connections,
    merge_delivery,
)
from products.metering.commands.periods import (
    ServiceMonth,
    mark_stale,
    periods_touched_by,
)
from products.metering.facts import UsageBatch, read_batch, split_duplicates
from products.metering.models import CLOCK_TOLERANCE, Edge, UsageDispute


class AnotherEdge(Forbidden):
    """The report is of another edge than the credential."""

    code = "another_edge"


@dataclass(frozen=True, slots=True)
class _Merged:
    """How many records counted, the disputes about others, and the periods that changed."""

    counted: int
    disputes: list[UsageDispute]
    periods: set[ServiceMonth]


def ingest(
    edge: Edge, *, report: contract.UsageReport, received_at: datetime
) -> contract.UsageAnswer:
    """Merge a report by maximum, and return what became of its records.

    Usage is what machines count, many thousand records per second, so it is written without
    `recorded_change`. Only disputes are noted, by `ingest-usage`, after the merge. Raises
    AnotherEdge for the report of another edge, and ContractError for a value that is not valid.
    Then nothing counts.
    """
    if report.edge != edge.name:
        raise AnotherEdge("The report is not of the edge of this credential.")
    batch = read_batch(report)
    source = ReportSource(
        edge=edge.name,
        instance=report.instance,
        received_at=received_at,
        clock_differs=abs(batch.sent_at - received_at) > CLOCK_TOLERANCE,
    )
    with transaction.atomic(durable=True):
        connections = _merge_connections(batch, source)
        delivery = _merge_delivery(batch, source)
        mark_stale(connections.periods | delivery.periods, received_at)
        note_report(edge, sent_at=batch.sent_at, received_at=received_at)
        epoch = ingest_epoch(received_at)
    counted = connections.counted + delivery.counted
    found = [*connections.disputes, *delivery.disputes]
    disputed = save_disputes(edge, found, received_at) if found else []
    records = len(batch.connections) + len(batch.delivery)
    return contract.UsageAnswer(
        accepted=counted,
        unchanged=records - counted - len(disputed),
        conflicts=tuple(
            contract.RejectedRecord(each.record_id, each.get_reason_display())
            for each in disputed
        ),
        ingest_epoch=epoch,
    )


def _merge_connections(batch: UsageBatch, source: ReportSource) -> _Merged:
    records = batch.connections
    rejected = out_of_window_connections(records, source.received_at)
    in_window = (
        [record for record in records if record not in rejected]
        if rejected
        else records
    )
    counted = 0
    disputes: list[UsageDispute] = []
    for part in split_duplicates(in_window):
        merged = merge_connections(part, source)
        counted += merged.counted
        disputes += [
            connection_dispute(
                pair.reported,
                pair.recorded,
                contradiction_reason(pair.reported, pair.recorded),
                source,
            )
            for pair in merged.contradictions
        ]
    if rejected:
        disputes += with_new_information(records, rejected, source)
    return _Merged(
        counted, disputes, periods_touched_by(in_window) if counted else set()
    )


def _merge_delivery(batch: UsageBatch, source: ReportSource) -> _Merged:
    rejected = out_of_window_delivery(batch.delivery, source)
    in_window = [record for record in batch.delivery if record not in rejected]
    counted = merge_delivery(in_window, source)
    periods = periods_touched_by([], in_window) if counted else set()
    return _Merged(counted, list(rejected.values()), periods)
