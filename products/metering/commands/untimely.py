"""Which reported facts are of a time at which they cannot be counted: too late, or impossible.

Bounds are those of the account's zone. Nearly always nothing is doubtful, and then nobody asks
the database.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from products.metering.commands.disputes import NewDispute
from products.metering.commands.merge_sql import ReportSource
from products.metering.commands.replace import fact_of
from products.metering.facts import ConnectionFact, DeliveryFact
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageConflict,
    microseconds_of,
)
from products.metering.months import REPORT_WINDOW, Month
from products.services.models import Service

Reason = UsageConflict.Reason
# How far an edge may be mistaken: its clock a little off, or its table of before midnight, whose
# old month a connection carries until the edge turns it.
TOLERANCE = timedelta(days=1)
UTC = "UTC"
_MICROSECOND = timedelta(microseconds=1)
# No zone's midnight is further from UTC's.
_MAX_UTC_OFFSET = timedelta(days=1)


def out_of_window_connections(
    facts: Sequence[ConnectionFact], received_at: datetime
) -> Mapping[ConnectionFact, Reason]:
    """Return the facts that cannot be counted, with the reason of each."""
    months = {label: Month.read(label) for label in {fact.month for fact in facts}}
    odd = {
        label
        for label, month in months.items()
        if received_at > month.ends_at(UTC) + REPORT_WINDOW - _MAX_UTC_OFFSET
        or month.starts_at(UTC) + _MAX_UTC_OFFSET > received_at + TOLERANCE
    }
    starts = {
        label: microseconds_of(month.starts_at(UTC) + _MAX_UTC_OFFSET - TOLERANCE)
        for label, month in months.items()
    }
    ends = {
        label: microseconds_of(month.ends_at(UTC) - _MAX_UTC_OFFSET + TOLERANCE)
        for label, month in months.items()
    }
    limit = microseconds_of(received_at + TOLERANCE)
    doubtful = [
        fact
        for fact in facts
        if fact.month in odd
        or fact.started_us + fact.duration_us > limit
        or fact.started_us > ends[fact.month]
        or fact.started_us + fact.duration_us < starts[fact.month]
    ]
    zones = _zones_of({fact.service for fact in doubtful}) if doubtful else {}
    reasons = (
        (fact, _reason(fact, zones.get(fact.service, UTC), received_at))
        for fact in doubtful
    )
    return {fact: reason for fact, reason in reasons if reason is not None}


def with_new_information(
    facts: Sequence[ConnectionFact], reasons: Mapping[ConnectionFact, Reason]
) -> list[NewDispute]:
    """Return the untimely facts that say more than what is kept."""
    rows = ConnectionUsage.objects.filter(
        connection_id__in={fact.connection_id for fact in reasons}
    )
    kept = {(row.connection_id, row.month): row for row in rows}
    found = []
    for fact in facts:
        if fact not in reasons:
            continue
        row = kept.get((fact.connection_id, fact.month))
        ours = fact_of(row) if row is not None else None
        if ours is None or not _adds_nothing(fact, ours):
            found.append(NewDispute.connection(fact, ours, reasons[fact]))
    return found


def untimely_delivery(
    facts: Sequence[DeliveryFact], source: ReportSource
) -> Mapping[DeliveryFact, NewDispute]:
    """Return the counters that cannot be counted and say something new."""
    received_at = source.received_at
    doubtful = [
        fact
        for fact in facts
        if not received_at - REPORT_WINDOW <= fact.hour <= received_at + TOLERANCE
    ]
    if not doubtful:
        return {}
    zones = _zones_of({fact.service for fact in doubtful})
    found = {}
    for fact in doubtful:
        zone = zones.get(fact.service, UTC)
        month = Month.at(fact.hour, zone)
        is_future = fact.hour > received_at
        reason = Reason.FUTURE if is_future else Reason.LATE
        is_untimely = is_future or received_at > month.accepts_reports_until(zone)
        if is_untimely and not _is_delivered(fact, source):
            found[fact] = NewDispute.delivery(
                fact, month, reason, edge=source.edge, boot=source.boot
            )
    return found


def _reason(fact: ConnectionFact, zone: str, received_at: datetime) -> Reason | None:
    starts_us, ends_us, taken_until_us = _bounds(fact.month, zone)
    now_us, tolerance_us = microseconds_of(received_at), TOLERANCE // _MICROSECOND
    if now_us > taken_until_us:
        return Reason.LATE
    ended_us = fact.started_us + fact.duration_us
    if max(starts_us, ended_us) > now_us + tolerance_us:
        return Reason.FUTURE
    if fact.started_us > ends_us + tolerance_us:
        return Reason.BEFORE_START
    if ended_us < starts_us - tolerance_us:
        return Reason.AFTER_END
    return None


@lru_cache(maxsize=1024)
def _bounds(label: str, zone: str) -> tuple[int, ...]:
    """Return when a month begins, ends, and stops taking reports, in microseconds since 1970."""
    month = Month.read(label)
    instants = (
        month.starts_at(zone),
        month.ends_at(zone),
        month.accepts_reports_until(zone),
    )
    return tuple(map(microseconds_of, instants))


def _adds_nothing(fact: ConnectionFact, kept: ConnectionFact) -> bool:
    return (
        (fact.service, fact.started_us) == (kept.service, kept.started_us)
        and fact.duration_us <= kept.duration_us
        and fact.bytes_from_client <= kept.bytes_from_client
        and fact.bytes_to_client <= kept.bytes_to_client
        and fact.final <= kept.final
    )


def _is_delivered(fact: DeliveryFact, source: ReportSource) -> bool:
    return DeliveryUsage.objects.filter(
        edge=source.edge,
        boot=source.boot,
        service=fact.service,
        hour=fact.hour,
        requests__gte=fact.requests,
        bytes_from_client__gte=fact.bytes_from_client,
        bytes_to_client__gte=fact.bytes_to_client,
    ).exists()


def _zones_of(services: Collection[str]) -> dict[str, str]:
    rows = Service.objects.filter(pk__in=services)
    return dict(rows.values_list("pk", "account__billing_zone"))
