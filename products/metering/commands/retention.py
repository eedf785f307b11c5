"""Deletes usage records of months that were closed long ago; their periods stay.

Which of them a bill still needs is known to billing, whose sweep calls this.
"""

from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
    VoidedRecord,
)
from products.months import Month


def deletable_periods(now: datetime) -> list[UsagePeriod]:
    """Return the closed periods that are older than the setting and still have usage records.

    Only if the months beside are closed too, because they are derived from the same records, and
    if no dispute is open.
    """
    return [period for period in _old_periods(now) if not _is_needed(period)]


def delete_records(period: UsagePeriod, now: datetime) -> int:
    """Delete the usage records of a period, and return how many; the period stays."""
    month = Month.read(period.month)
    # First, so that what fails in between is deleted by the next sweep.
    UsagePeriod.objects.filter(pk=period.pk).update(records_deleted_at=now)
    connections = ConnectionUsage.objects.filter(
        service=period.service, month=period.month
    )
    delivery = DeliveryUsage.objects.filter(
        service=period.service,
        hour__gte=month.starts_at("UTC"),
        hour__lt=month.ends_at("UTC"),
    )
    return connections.delete()[0] + delivery.delete()[0]


def delete_old_voided(now: datetime) -> int:
    """Delete the voided records of months that are older than the setting; return how many.

    They need not wait: nothing is derived from them.
    """
    last = _last_old_month(now)
    if last is None:
        return 0
    return VoidedRecord.objects.filter(month__lte=str(last)).delete()[0]


def _last_old_month(now: datetime) -> Month | None:
    """Return the newest month that is older than the setting; None if usage is kept for ever."""
    keep = settings.USAGE_KEEP_MONTHS
    return Month.at(now, "UTC").plus(-keep - 1) if keep else None


def _old_periods(now: datetime) -> "QuerySet[UsagePeriod]":
    """Return the old closed periods of services that still have old records."""
    last = _last_old_month(now)
    if last is None:
        return UsagePeriod.objects.none()
    connections = ConnectionUsage.objects.filter(
        service=OuterRef("service"), month=OuterRef("month")
    )
    delivery = DeliveryUsage.objects.filter(
        service=OuterRef("service"), hour__lt=last.ends_at("UTC")
    )
    rows = UsagePeriod.objects.filter(
        Exists(connections) | Exists(delivery), is_closed=True, month__lte=str(last)
    )
    return rows.order_by("month", "service")


def _is_needed(period: UsagePeriod) -> bool:
    labels = [str(month) for month in period.months_beside]
    rows = UsagePeriod.objects.filter(service=period.service, month__in=labels)
    disputes = UsageDispute.objects.filter(service=period.service, month__in=labels)
    return (
        rows.filter(is_closed=False).exists()
        or disputes.filter(resolved_at=None).exists()
    )
