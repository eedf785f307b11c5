"""Deletes usage records of months that were closed long ago; their periods stay."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef

from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
    VoidedRecord,
)
from products.months import Month


def delete_old_usage(*, now: datetime) -> int:
    """Delete the records of closed months that are older than the setting, and return how many.

    Only if the months beside are closed too, because they are derived from the same records, and
    if no dispute is open. Voided records need not wait: nothing is derived from them.
    """
    deleted = _delete_old_voided(now)
    for period in list(_old_periods(now)):
        month = Month.read(period.month)
        beside = {str(month.plus(-1)), period.month, str(month.plus(1))}
        if _is_needed(period.service, beside):
            continue
        connections = ConnectionUsage.objects.filter(
            service=period.service, month=period.month
        )
        delivery = DeliveryUsage.objects.filter(
            service=period.service,
            hour__gte=month.starts_at("UTC"),
            hour__lt=month.ends_at("UTC"),
        )
        deleted += connections.delete()[0] + delivery.delete()[0]
    return deleted


def _old_periods(now: datetime) -> "Iterator[UsagePeriod]":
    """Return the old closed periods of services that still have old records."""
    if settings.USAGE_KEEP_MONTHS == 0:
        return iter(())
    last = Month.at(now, "UTC").plus(-settings.USAGE_KEEP_MONTHS - 1)
    connections = ConnectionUsage.objects.filter(
        service=OuterRef("service"), month=OuterRef("month")
    )
    delivery = DeliveryUsage.objects.filter(
        service=OuterRef("service"), hour__lt=last.ends_at("UTC")
    )
    rows = UsagePeriod.objects.filter(
        Exists(connections) | Exists(delivery), is_closed=True, month__lte=str(last)
    )
    return rows.order_by("month", "service").iterator()


def _delete_old_voided(now: datetime) -> int:
    """Delete the voided records of months that are older than the setting; return how many."""
    if settings.USAGE_KEEP_MONTHS == 0:
        return 0
    last = Month.at(now, "UTC").plus(-settings.USAGE_KEEP_MONTHS - 1)
    return VoidedRecord.objects.filter(month__lte=str(last)).delete()[0]


def _is_needed(service: str, months: set[str]) -> bool:
    rows = UsagePeriod.objects.filter(service=service, month__in=months)
    disputes = UsageDispute.objects.filter(service=service, month__in=months)
    return (
        rows.filter(is_closed=False).exists()
        or disputes.filter(resolved_at=None).exists()
    )
