"""Usage that an edge cannot have seen: its records are quarantined, and the rest of the report counts.

A credential must not be worth any bill. So a record counts only if it started when the edge
existed, if the edge was given the service, and if a link can carry its bytes in its time.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min

from products.edge.contract import DeliveryRecord
from products.instants import HOUR_US, SECOND_US, microseconds_of
from products.metering.commands.merge_sql import ConnectionValues
from products.metering.models import CarriedService, Edge, UsageDispute

Reason = UsageDispute.Reason
# An edge reports what it kept: also what it counted under a name that got its credential later.
KEPT = timedelta(hours=24)
# A burst fits the buffers on the way; and clocks have a resolution.
_SLACK_US = SECOND_US


@dataclass(frozen=True, slots=True)
class PlausibilityRules:
    """The three rules for one edge and the services that a report names."""

    earliest_us: int
    carried: Collection[str]
    bytes_per_second: int

    def reason(
        self, service: str, started_us: int, duration_us: int, total_bytes: int
    ) -> Reason | None:
        """Return why a record is not plausible; None if it is."""
        if started_us < self.earliest_us:
            return Reason.BEFORE_EDGE
        if service not in self.carried:
            return Reason.NOT_CARRIED
        capacity = self.bytes_per_second * (duration_us + _SLACK_US)
        if total_bytes * SECOND_US > capacity:
            return Reason.TOO_MANY_BYTES
        return None


def rules_for(edge: Edge, services: Iterable[str]) -> PlausibilityRules | None:
    """Return the rules for a report of an edge; None if the operator has switched them off."""
    if not settings.USAGE_PLAUSIBILITY:
        return None
    first = Edge.objects.filter(name=edge.name).aggregate(at=Min("created_at"))["at"]
    carried = CarriedService.objects.filter(edge=edge.name, service__in=set(services))
    return PlausibilityRules(
        microseconds_of((first or edge.created_at) - KEPT),
        frozenset(carried.values_list("service", flat=True)),
        settings.USAGE_LINK_MBIT * 1_000_000 // 8,
    )


def implausible_connections(
    records: Sequence[ConnectionValues], rules: PlausibilityRules
) -> dict[ConnectionValues, Reason]:
    """Return the connections that are not plausible, with the reason."""
    # Written out, since it runs for thousands of records per second; `reason` only for the rest.
    earliest_us, carried, rate = (
        rules.earliest_us,
        rules.carried,
        rules.bytes_per_second,
    )
    doubtful = [
        record
        for record in records
        if record.started_us < earliest_us
        or record.service not in carried
        or (record.bytes_from_client + record.bytes_to_client) * SECOND_US
        > rate * (record.duration_us + _SLACK_US)
    ]
    found = {
        record: rules.reason(
            record.service,
            record.started_us,
            record.duration_us,
            record.bytes_from_client + record.bytes_to_client,
        )
        for record in doubtful
    }
    return {record: reason for record, reason in found.items() if reason is not None}


def implausible_delivery(
    records: Sequence[DeliveryRecord], rules: PlausibilityRules
) -> dict[DeliveryRecord, Reason]:
    """Return the hours of ordinary HTTP that are not plausible, with the reason."""
    found = {}
    for record in records:
        # The hour in which the edge started counts as a whole.
        started_us = microseconds_of(record.hour) + HOUR_US
        total = record.bytes_from_client + record.bytes_to_client
        reason = rules.reason(record.service, started_us, HOUR_US, total)
        if reason is not None:
            found[record] = reason
    return found


def save_carried(
    edge: Edge, services: Callable[[], Iterable[str]], *, key: str, now: datetime
) -> None:
    """Save the services of a table that an edge is given, once per process and `key`."""
    if _SAVED.get(edge.name) == key:
        return
    wanted = set(services())
    known = CarriedService.objects.filter(edge=edge.name, service__in=wanted)
    missing = wanted.difference(known.values_list("service", flat=True))
    CarriedService.objects.bulk_create(
        [
            CarriedService(edge=edge.name, service=service, since=now)
            for service in sorted(missing)
        ],
        ignore_conflicts=True,
        batch_size=1_000,
    )
    _SAVED[edge.name] = key


# The table that each edge was given last, by the name of the edge.
_SAVED: dict[str, str] = {}
