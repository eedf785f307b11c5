"""Take an edge's report: any order, any number of times, the same result."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.errors import Forbidden
from products.edge import contract
from products.metering.commands.conflicts import Found, keep_conflicts, reason_of
from products.metering.commands.edges import note_report
from products.metering.commands.epoch import epoch
from products.metering.commands.merge import (
    Source,
    merge_connections,
    merge_delivery,
)
from products.metering.facts import (
    Batch,
    ConnectionFact,
    DeliveryFact,
    read_batch,
    rounds,
)
from products.metering.models import (
    CLOCK_TOLERANCE,
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageConflict,
)
from products.metering.months import Month
from products.services.models import Service

# Reports are taken until so long after the end of the month they name.
TAKEN_FOR = timedelta(days=35)
UTC = "UTC"


class AnotherEdge(Forbidden):
    """The report is not of the edge whose credential came with it."""

    code = "another_edge"


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
    source = Source(
        edge=edge.name,
        boot=report.boot,
        received_at=received_at,
        clock_differs=abs(batch.sent_at - received_at) > CLOCK_TOLERANCE,
    )
    found: list[Found] = []
    with transaction.atomic(durable=True):
        counted = _take_connections(batch, source, found)
        counted += _take_delivery(batch, source, found)
        note_report(edge, sent_at=batch.sent_at, received_at=received_at)
        known_as = epoch(received_at)
    disputed = keep_conflicts(edge, found, received_at) if found else []
    records = len(batch.connections) + len(batch.delivery)
    return contract.UsageAnswer(
        accepted=counted,
        unchanged=records - counted - len(disputed),
        conflicts=tuple(
            contract.UsageConflict(each.record_id, each.reason.label)
            for each in disputed
        ),
        ingest_epoch=known_as,
    )


def _take_connections(batch: Batch, source: Source, found: list[Found]) -> int:
    late = _late_connections(batch.connections, source.received_at)
    timely = (
        [fact for fact in batch.connections if (fact.service, fact.month) not in late]
        if late
        else batch.connections
    )
    counted = 0
    for facts in rounds(timely):
        merged = merge_connections(facts, source)
        counted += merged.counted
        found += [
            Found.connection(pair.theirs, pair.ours, reason_of(pair.theirs, pair.ours))
            for pair in merged.contradictions
        ]
    if late:
        found += _news_among(
            [fact for fact in batch.connections if (fact.service, fact.month) in late]
        )
    return counted


def _late_connections(
    facts: Sequence[ConnectionFact], received_at: datetime
) -> Collection[tuple[str, str]]:
    """Return the (service, month) whose reports come too late; mostly none, without a query."""
    months = {fact.month for fact in facts}
    doubtful = {
        month
        for month in months
        # No zone's month ends before a day before it does in UTC.
        if received_at > Month.read(month).ends_at(UTC) + TAKEN_FOR - timedelta(days=1)
    }
    if not doubtful:
        return ()
    pairs = {(fact.service, fact.month) for fact in facts if fact.month in doubtful}
    zones = _zones_of({service for service, _ in pairs})
    return {
        (service, month)
        for service, month in pairs
        if _is_late(Month.read(month), zones.get(service, UTC), received_at)
    }


def _news_among(facts: Sequence[ConnectionFact]) -> list[Found]:
    """Return the late facts that say more than what is kept."""
    rows = ConnectionUsage.objects.filter(
        connection_id__in={fact.connection_id for fact in facts}
    )
    kept = {(row.connection_id, row.month): row for row in rows}
    found = []
    for fact in facts:
        row = kept.get((fact.connection_id, fact.month))
        ours = _fact_of(row) if row is not None else None
        if ours is None or not _says_no_more(fact, ours):
            found.append(Found.connection(fact, ours, UsageConflict.Reason.LATE))
    return found


def _fact_of(row: ConnectionUsage) -> ConnectionFact:
    return ConnectionFact(*(getattr(row, name) for name in ConnectionFact._fields))


def _says_no_more(fact: ConnectionFact, kept: ConnectionFact) -> bool:
    return (
        (fact.service, fact.started_us) == (kept.service, kept.started_us)
        and fact.duration_us <= kept.duration_us
        and fact.bytes_from_client <= kept.bytes_from_client
        and fact.bytes_to_client <= kept.bytes_to_client
        and fact.final <= kept.final
    )


def _take_delivery(batch: Batch, source: Source, found: list[Found]) -> int:
    late = _late_delivery(batch.delivery, source)
    timely = [fact for fact in batch.delivery if fact not in late]
    found += [
        Found.delivery(fact, month, source.edge, source.boot)
        for fact, month in late.items()
    ]
    return merge_delivery(timely, source)


def _late_delivery(
    facts: Sequence[DeliveryFact], source: Source
) -> Mapping[DeliveryFact, Month]:
    """Return the counters that come too late and say something new, with their months."""
    doubtful = [fact for fact in facts if source.received_at > fact.hour + TAKEN_FOR]
    if not doubtful:
        return {}
    zones = _zones_of({fact.service for fact in doubtful})
    late = {}
    for fact in doubtful:
        zone = zones.get(fact.service, UTC)
        month = Month.at(fact.hour, zone)
        is_late = _is_late(month, zone, source.received_at)
        if is_late and not _is_delivered(fact, source):
            late[fact] = month
    return late


def _is_delivered(fact: DeliveryFact, source: Source) -> bool:
    return DeliveryUsage.objects.filter(
        edge=source.edge,
        boot=source.boot,
        service=fact.service,
        hour=fact.hour,
        requests__gte=fact.requests,
        bytes_from_client__gte=fact.bytes_from_client,
        bytes_to_client__gte=fact.bytes_to_client,
    ).exists()


def _is_late(month: Month, zone: str, received_at: datetime) -> bool:
    return received_at > month.ends_at(zone) + TAKEN_FOR


def _zones_of(services: Collection[str]) -> dict[str, str]:
    rows = Service.objects.filter(pk__in=services)
    return dict(rows.values_list("pk", "account__billing_zone"))
