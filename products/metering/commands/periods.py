"""Derive periods from the facts: dropped and rebuilt, they are the same to the digest.

No state of anybody's is in a period, so no door.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min

from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageConflict,
    UsagePeriod,
    instant_of,
    microseconds_of,
)
from products.metering.months import Month
from products.metering.queries.usage import (
    Delivery,
    Figures,
    delivery_in,
    figures_in,
    last_rows,
)
from products.services.models import Service

_UTC = "UTC"
_MODULUS = 2**256
_CHUNK = 5_000  # rows read from the database at a time


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a service is, and in which zone its months are; nobody's months are UTC's."""

    account_id: str = ""
    zone: str = _UTC


def rebuild_usage(
    *, account_id: str = "", month: Month | None = None, now: datetime
) -> int:
    """Drop periods and derive them from the facts again; return how many there are now.

    Of one account or all (then also of services that nobody knows), of one month or all.
    """
    services = _services_of(account_id)
    owners = _owners(services)
    rebuilt = 0
    for service in services:
        owner = owners.get(service, Owner())
        months = [month] if month is not None else _months_of(service, owner.zone)
        rebuilt += sum(_rebuild(service, each, owner, now) for each in months)
    return rebuilt


def rebuild_moved(*, since: datetime, now: datetime) -> int:
    """Derive again what reports or resolutions have moved since an instant; return how many."""
    moved = set(
        ConnectionUsage.objects.filter(last_reported_at__gte=since)
        .values_list("service", "month")
        .distinct()
    )
    moved |= set(
        UsageConflict.objects.filter(resolved_at__gte=since)
        .values_list("service", "month")
        .distinct()
    )
    services = {service for service, _ in moved}
    owners = _owners([*services])
    # A connection's newest row also says how long it lasted in the month before.
    pairs = {
        (service, each)
        for service, label in moved
        for each in (Month.read(label), Month.read(label).plus(-1))
    }
    return sum(
        _rebuild(service, month, owners.get(service, Owner()), now)
        for service, month in sorted(pairs)
    )


def _rebuild(service: str, month: Month, owner: Owner, now: datetime) -> bool:
    """Derive one period; False where the service used nothing in the month."""
    figures = figures_in([service], month, owner.zone).get(service)
    delivery = delivery_in([service], month, owner.zone).get(service)
    if figures is None and delivery is None:
        UsagePeriod.objects.filter(service=service, month=str(month)).delete()
        return False
    UsagePeriod.objects.update_or_create(
        service=service,
        month=str(month),
        defaults={
            "account_id": owner.account_id,
            "digest": digest_of(service, month, owner.zone),
            "as_of": now,
            **_fields(figures or Figures(), delivery or Delivery()),
        },
    )
    return True


def digest_of(service: str, month: Month, zone: str) -> str:
    """Return a digest of all facts of a service in a month; their order does not matter.

    The digests of the single facts are added up, so nothing is sorted and the memory is flat.
    """
    total = 0
    for line in _facts(service, month, zone):
        total += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")
    return f"{total % _MODULUS:064x}"


def _facts(service: str, month: Month, zone: str) -> Iterator[str]:
    starts_at, ends_at = month.starts_at(zone), month.ends_at(zone)
    end = microseconds_of(ends_at)
    times = last_rows([service], starts_at, ends_at).values_list(
        "connection_id", "started_us", "duration_us"
    )
    for key, start, duration in times.iterator(_CHUNK):
        # What comes after the month changes nothing in it.
        yield f"time {key} {start} {min(duration, end - start)}"
    sizes = ConnectionUsage.objects.filter(
        service=service, month=str(month)
    ).values_list("connection_id", "bytes_from_client", "bytes_to_client")
    for values in sizes.iterator(_CHUNK):
        yield "bytes {} {} {}".format(*values)
    hours = DeliveryUsage.objects.filter(
        service=service, hour__gte=starts_at, hour__lt=ends_at
    ).values_list(
        "edge", "boot", "hour", "requests", "bytes_from_client", "bytes_to_client"
    )
    for edge, boot, hour, *counts in hours.iterator(_CHUNK):
        yield f"delivery {edge} {boot} {microseconds_of(hour)} {counts}"


def _fields(figures: Figures, delivery: Delivery) -> Mapping[str, int]:
    return figures.to_json() | {
        "requests": delivery.requests,
        "delivery_bytes_from_client": delivery.bytes_from_client,
        "delivery_bytes_to_client": delivery.bytes_to_client,
    }


def _services_of(account_id: str) -> list[str]:
    if account_id:
        owned = Service.objects.filter(account_id=account_id)
        return list(owned.order_by("pk").values_list("pk", flat=True))
    reported = ConnectionUsage.objects.order_by().values_list("service", flat=True)
    delivered = DeliveryUsage.objects.order_by().values_list("service", flat=True)
    derived = UsagePeriod.objects.order_by().values_list("service", flat=True)
    return sorted(set(reported.union(delivered, derived)))


def _owners(services: list[str]) -> dict[str, Owner]:
    rows = Service.objects.filter(pk__in=services)
    return {
        key: Owner(account_id, zone)
        for key, account_id, zone in rows.values_list(
            "pk", "account_id", "account__billing_zone"
        )
    }


def _months_of(service: str, zone: str) -> list[Month]:
    """Return every month from a service's first connection or hour to its last, and those derived."""
    seen = ConnectionUsage.objects.filter(service=service).aggregate(
        start=Min("started_us"), first=Min("month"), last=Max("month")
    )
    hours = DeliveryUsage.objects.filter(service=service).aggregate(
        first=Min("hour"), last=Max("hour")
    )
    derived = UsagePeriod.objects.filter(service=service).values_list(
        "month", flat=True
    )
    named = [*derived, *filter(None, (seen["first"], seen["last"]))]
    months = {Month.read(label) for label in named}
    instants = [at for at in (hours["first"], hours["last"]) if at is not None]
    if seen["start"] is not None:
        instants.append(instant_of(seen["start"]))
    months |= {Month.at(at, zone) for at in instants}
    if not months:
        return []
    first, last = min(months), max(months)
    span = (last.year - first.year) * 12 + last.month - first.month
    return [first.plus(step) for step in range(span + 1)]
