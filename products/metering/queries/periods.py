"""What a period should say, by the facts; and which periods say something else."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import F, Max, Min

from products.metering.derived import MARK_LIFETIME
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    MovedUsage,
    UsagePeriod,
    instant_of,
    microseconds_of,
)
from products.metering.months import Month
from products.metering.queries.snapshot import snapshot
from products.metering.queries.usage import (
    ConnectionTotals,
    DeliveryTotals,
    delivery_in,
    figures_in,
    last_rows,
)
from products.services.models import Service

_UTC = "UTC"
_MODULUS = 2**256
_CHUNK = 5_000  # rows read from the database at a time
Fields = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a service is, and in which zone its months are; nobody's months are UTC's."""

    account_id: str = ""
    zone: str = _UTC


@dataclass(frozen=True, slots=True)
class PeriodMismatch:
    """A period that does not say what the facts say, and in which fields.

    One that `has_moved` is only old: reports moved it since, and the next sweep derives it.
    """

    service: str
    month: str
    fields: tuple[str, ...]
    has_moved: bool

    def __str__(self) -> str:
        """Say it in a line."""
        since = " (moved since)" if self.has_moved else ""
        return f"{self.service} in {self.month}: {', '.join(self.fields)}{since}"


def owners_of(services: list[str]) -> dict[str, Owner]:
    """Return the owners of services that the portal knows, by id."""
    rows = Service.objects.filter(pk__in=services)
    return {
        key: Owner(account_id, zone)
        for key, account_id, zone in rows.values_list(
            "pk", "account_id", "account__billing_zone"
        )
    }


def services_of(account_id: str) -> list[str]:
    """Return the ids of an account's services; without one, of all that have facts or periods."""
    if account_id:
        owned = Service.objects.filter(account_id=account_id)
        return list(owned.order_by("pk").values_list("pk", flat=True))
    reported = ConnectionUsage.objects.order_by().values_list("service", flat=True)
    delivered = DeliveryUsage.objects.order_by().values_list("service", flat=True)
    kept = UsagePeriod.objects.order_by().values_list("service", flat=True)
    return sorted(set(reported.union(delivered, kept)))


def months_of(service: str, zone: str) -> list[Month]:
    """Return every month from a service's first connection or hour to its last, and those derived."""
    seen = ConnectionUsage.objects.filter(service=service).aggregate(
        start=Min("started_us"),
        end=Max(F("started_us") + F("duration_us")),
        first=Min("month"),
        last=Max("month"),
    )
    hours = DeliveryUsage.objects.filter(service=service).aggregate(
        first=Min("hour"), last=Max("hour")
    )
    periods = UsagePeriod.objects.filter(service=service)
    named = [*periods.values_list("month", flat=True), seen["first"], seen["last"]]
    instants = [
        hours["first"],
        hours["last"],
        *(instant_of(seen[name]) for name in ("start", "end") if seen[name]),
    ]
    months = {Month.read(label) for label in named if label}
    months |= {Month.at(at, zone) for at in instants if at}
    return min(months).until(max(months)) if months else []


def derived(service: str, month: Month, zone: str) -> Fields | None:
    """Derive a period's figures and its digest from the facts; None where there are none."""
    figures = figures_in([service], month, zone).get(service)
    delivery = delivery_in([service], month, zone).get(service)
    if figures is None and delivery is None:
        return None
    delivery = delivery or DeliveryTotals()
    return (figures or ConnectionTotals()).to_json() | {
        "requests": delivery.requests,
        "delivery_bytes_from_client": delivery.bytes_from_client,
        "delivery_bytes_to_client": delivery.bytes_to_client,
        "digest": digest_of(service, month, zone),
    }


def differences(
    *, account_id: str = "", month: Month | None = None
) -> Iterator[PeriodMismatch]:
    """Compare periods with the facts, of one account or all, of one month or all.

    Each is compared as of one moment, and those are found too that should be there and are not.
    """
    services = services_of(account_id)
    owners = owners_of(services)
    for service in services:
        zone = owners.get(service, Owner()).zone
        for each in [month] if month is not None else months_of(service, zone):
            with snapshot():
                found = _difference(service, each, zone)
            if found is not None:
                yield found


def _difference(service: str, month: Month, zone: str) -> PeriodMismatch | None:
    row = UsagePeriod.objects.filter(service=service, month=str(month)).first()
    found = derived(service, month, zone)
    other: tuple[str, ...]
    if row is None:
        other = ("there is no period",) if found is not None else ()
    elif found is None:
        other = ("there are no facts",)
    else:
        other = tuple(name for name in found if getattr(row, name) != found[name])
    if not other:
        return None
    return PeriodMismatch(service, str(month), other, _has_moved(service, month, row))


def _has_moved(service: str, month: Month, row: UsagePeriod | None) -> bool:
    """Tell whether marks say that a period is old; those of before it was derived do not."""
    marks = MovedUsage.objects.filter(service=service, month=str(month))
    if row is not None:
        marks = marks.filter(during__gte=row.as_of - MARK_LIFETIME)
        if row.settled:
            marks = marks.filter(even_settled=True)
    return marks.exists()


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
