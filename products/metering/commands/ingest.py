"""Take an edge's report: any order, any number of times, the same result."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.errors import Forbidden
from products.edge import contract
from products.metering.commands.disputes import NewDispute, reason_of, save_disputes
from products.metering.commands.edges import note_report
from products.metering.commands.epoch import epoch
from products.metering.commands.merge_sql import (
    ReportSource,
    merge_connections,
    merge_delivery,
)
from products.metering.commands.moved import Pair, mark_dirty, periods_touched_by
from products.metering.commands.untimely import (
    out_of_window_connections,
    untimely_delivery,
    with_new_information,
)
from products.metering.facts import UsageBatch, read_batch, split_duplicates
from products.metering.models import CLOCK_TOLERANCE, Edge


class AnotherEdge(Forbidden):
    """The report is not of the edge whose credential came with it."""

    code = "another_edge"


@dataclass(frozen=True, slots=True)
class _Taken:
    """How many facts counted, which could not, and the periods that moved with them."""

    counted: int
    found: list[NewDispute]
    moved: set[Pair]


def ingest(
    edge: Edge, *, report: contract.UsageReport, received_at: datetime
) -> contract.UsageAnswer:
    """Merge a report by maximum, and say what became of each record.

    No change of anybody's state, so no door: usage is a fact that machines count, many thousand
    records a second. Only conflicts go through the door, as `ingest-usage`, after the merge.
    Raises AnotherEdge when the report is another edge's, and ContractError when one of its texts
    is no instant, month or word; then nothing counts.
    """
    if report.edge != edge.name:
        raise AnotherEdge("The report is not of the edge of this credential.")
    batch = read_batch(report)
    source = ReportSource(
        edge=edge.name,
        boot=report.boot,
        received_at=received_at,
        clock_differs=abs(batch.sent_at - received_at) > CLOCK_TOLERANCE,
    )
    with transaction.atomic(durable=True):
        connections = _take_connections(batch, source)
        delivery = _take_delivery(batch, source)
        mark_dirty(connections.moved | delivery.moved, received_at)
        note_report(edge, sent_at=batch.sent_at, received_at=received_at)
        known_as = epoch(received_at)
    counted = connections.counted + delivery.counted
    found = [*connections.found, *delivery.found]
    disputed = save_disputes(edge, found, received_at) if found else []
    records = len(batch.connections) + len(batch.delivery)
    return contract.UsageAnswer(
        accepted=counted,
        unchanged=records - counted - len(disputed),
        conflicts=tuple(
            contract.RejectedRecord(each.record_id, each.reason.label)
            for each in disputed
        ),
        ingest_epoch=known_as,
    )


def _take_connections(batch: UsageBatch, source: ReportSource) -> _Taken:
    facts = batch.connections
    untimely = out_of_window_connections(facts, source.received_at)
    timely = [fact for fact in facts if fact not in untimely] if untimely else facts
    counted = 0
    found: list[NewDispute] = []
    for part in split_duplicates(timely):
        merged = merge_connections(part, source)
        counted += merged.counted
        found += [
            NewDispute.connection(
                pair.theirs, pair.ours, reason_of(pair.theirs, pair.ours)
            )
            for pair in merged.contradictions
        ]
    if untimely:
        found += with_new_information(facts, untimely)
    return _Taken(counted, found, periods_touched_by(timely) if counted else set())


def _take_delivery(batch: UsageBatch, source: ReportSource) -> _Taken:
    untimely = untimely_delivery(batch.delivery, source)
    timely = [fact for fact in batch.delivery if fact not in untimely]
    counted = merge_delivery(timely, source)
    moved = periods_touched_by([], timely) if counted else set()
    return _Taken(counted, list(untimely.values()), moved)
