"""Ingest usage reports of edges: in any order and any number of times, with the same result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.audit.entry_body import CLOCK_TOLERANCE
from accounts.errors import Forbidden
from products.edge import contract
from products.instants import microseconds_of
from products.metering.commands.disputes import (
    connection_dispute,
    contradiction_reason,
    delivery_disputes,
    out_of_window_connections,
    out_of_window_delivery,
    save_disputes,
    with_new_information,
)
from products.metering.commands.edges import ingest_epoch, note_report
from products.metering.commands.merge_sql import (
    ConnectionValues,
    ReportSource,
    merge_connections,
    merge_delivery,
)
from products.metering.commands.periods import (
    ServiceMonth,
    mark_stale,
    periods_touched_by,
)
from products.metering.commands.plausibility import (
    PlausibilityRules,
    implausible_connections,
    implausible_delivery,
    rules_for,
)
from products.metering.models import Edge, UsageDispute
from products.metering.queries.voids import EdgeTime, voids_of


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
    AnotherEdge for the report of another edge, and ContractError for a connection of another
    instance. Then nothing counts.
    """
    if report.edge != edge.name:
        raise AnotherEdge("The report is not of the edge of this credential.")
    records = connection_values(report)
    reported = len(records) + len(report.delivery)
    records, hours = _without_voided(records, report.delivery, voids_of(edge.name))
    source = ReportSource(
        edge=edge.name,
        instance=report.instance,
        received_at=received_at,
        clock_differs=abs(report.sent_at - received_at) > CLOCK_TOLERANCE,
    )
    services = {each.service for each in report.connections}
    rules = rules_for(edge, services | {each.service for each in report.delivery})
    with transaction.atomic(durable=True):
        connections = _merge_connections(records, source, rules)
        delivery = _merge_delivery(hours, source, rules)
        mark_stale(connections.periods | delivery.periods, received_at)
        note_report(edge, sent_at=report.sent_at, received_at=received_at)
        epoch = ingest_epoch(received_at)
    counted = connections.counted + delivery.counted
    found = [*connections.disputes, *delivery.disputes]
    disputed = save_disputes(edge, found, received_at) if found else []
    return contract.UsageAnswer(
        accepted=counted,
        unchanged=reported - counted - len(disputed),
        conflicts=tuple(
            contract.RejectedRecord(each.record_id, each.get_reason_display())
            for each in disputed
        ),
        ingest_epoch=epoch,
    )


def connection_values(report: contract.UsageReport) -> list[ConnectionValues]:
    """Return the connections of a report.

    Raises ContractError if an id does not start with the edge and instance of the report. So an
    edge cannot change the connections of another one.
    """
    prefix = f"{report.edge}.{report.instance}."
    for index, record in enumerate(report.connections):
        if not record.id.startswith(prefix):
            raise contract.ContractError(
                f"connections[{index}].id: not of this edge and instance"
            )
    return [
        ConnectionValues(
            record.id,
            record.month,
            record.service,
            microseconds_of(record.started_at),
            record.duration_us,
            record.bytes_from_client,
            record.bytes_to_client,
            record.final,
        )
        for record in report.connections
    ]


def _without_voided(
    records: list[ConnectionValues],
    delivery: Sequence[contract.DeliveryRecord],
    voids: Sequence[EdgeTime],
) -> tuple[list[ConnectionValues], Sequence[contract.DeliveryRecord]]:
    """Return the records that are in no voided time of the edge; the others add nothing."""
    if not voids:
        return records, delivery
    return (
        [
            each
            for each in records
            if not any(void.has_connection(each.started_us) for void in voids)
        ],
        [
            each
            for each in delivery
            if not any(void.has_hour(each.hour) for void in voids)
        ],
    )


def _merge_connections(
    records: Sequence[ConnectionValues],
    source: ReportSource,
    rules: PlausibilityRules | None,
) -> _Merged:
    rejected = out_of_window_connections(records, source.received_at)
    if rules is not None:
        rejected = implausible_connections(records, rules) | rejected
    in_window = (
        [record for record in records if record not in rejected]
        if rejected
        else records
    )
    merged = merge_connections(in_window, source)
    disputes = [
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
    periods = periods_touched_by(in_window) if merged.counted else set()
    return _Merged(merged.counted, disputes, periods)


def _merge_delivery(
    records: Sequence[contract.DeliveryRecord],
    source: ReportSource,
    rules: PlausibilityRules | None,
) -> _Merged:
    rejected = out_of_window_delivery(records, source)
    if rules is not None:
        reasons = implausible_delivery(records, rules)
        rejected = delivery_disputes(reasons, source) | rejected
    in_window = [record for record in records if record not in rejected]
    counted = merge_delivery(in_window, source)
    periods = periods_touched_by([], in_window) if counted else set()
    return _Merged(counted, list(rejected.values()), periods)
