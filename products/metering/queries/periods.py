"""What a period should say, by the facts; and which periods say something else."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsagePeriod,
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
Fields = Mapping[str, int | str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a service is, and in which zone its months are; nobody's months are UTC's."""

    account_id: str = ""
    zone: str = _UTC


@dataclass(frozen=True, slots=True)
class Difference:
    """A period that does not say what the facts say, and in which fields."""

    service: str
    month: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.service} in {self.month}: {', '.join(self.fields)}"


def owners_of(services: list[str]) -> dict[str, Owner]:
    """Return the owners of services that the portal knows, by id."""
    rows = Service.objects.filter(pk__in=services)
    return {
        key: Owner(account_id, zone)
        for key, account_id, zone in rows.values_list(
            "pk", "account_id", "account__billing_zone"
        )
    }


def derived(service: str, month: Month, zone: str) -> Fields | None:
    """Derive a period's figures and its digest from the facts; None where there are none."""
    figures = figures_in([service], month, zone).get(service)
    delivery = delivery_in([service], month, zone).get(service)
    if figures is None and delivery is None:
        return None
    delivery = delivery or Delivery()
    return (figures or Figures()).to_json() | {
        "requests": delivery.requests,
        "delivery_bytes_from_client": delivery.bytes_from_client,
        "delivery_bytes_to_client": delivery.bytes_to_client,
        "digest": digest_of(service, month, zone),
    }


def differences(
    *, account_id: str = "", month: Month | None = None
) -> Iterator[Difference]:
    """Compare periods with the facts, of one account or all, of one month or all."""
    rows = UsagePeriod.objects.order_by("service", "month")
    if account_id:
        rows = rows.filter(account_id=account_id)
    if month is not None:
        rows = rows.filter(month=str(month))
    owners = owners_of(list(rows.values_list("service", flat=True).distinct()))
    for row in rows.iterator(_CHUNK):
        zone = owners.get(row.service, Owner()).zone
        found = derived(row.service, Month.read(row.month), zone)
        if found is None:
            yield Difference(row.service, row.month, ("there are no facts",))
            continue
        other = tuple(name for name in found if getattr(row, name) != found[name])
        if other:
            yield Difference(row.service, row.month, other)


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
