"""Derive periods from the facts: dropped and rebuilt, they are the same to the digest.

No state of anybody's is in a period, so no door.
"""

import logging
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q

from products.metering.commands.moved import Pair, mark_dirty
from products.metering.derived import MARK_LIFETIME
from products.metering.models import MovedUsage, UsagePeriod
from products.metering.months import REPORT_WINDOW, Month
from products.metering.queries.periods import (
    Owner,
    derived,
    months_of,
    owners_of,
    services_of,
)
from products.metering.queries.snapshot import snapshot

logger = logging.getLogger(__name__)


def rebuild_usage(
    *, account_id: str = "", month: Month | None = None, now: datetime
) -> int:
    """Drop periods and derive them from the facts again; return how many there are now.

    Of one account or all (then also of services that nobody knows), of one month or all. A
    settled period of which no facts are left stays: they are kept elsewhere.
    """
    services = services_of(account_id)
    owners = owners_of(services)
    rebuilt = 0
    for service in services:
        owner = owners.get(service, Owner())
        months = [month] if month is not None else months_of(service, owner.zone)
        rebuilt += sum(_rebuild(service, each, owner, now) for each in months)
    return rebuilt


def rebuild_dirty_periods(*, now: datetime) -> int:
    """Derive again what has moved, and what has become settled since; return how many.

    A settled period is derived no more: only a person's decision, or `rebuild_usage`, changes it.
    However long nobody did this, the marks are still there. One that cannot be derived is logged,
    holds up no other, and is tried again the next time.
    """
    pairs = _moved() | _newly_settled(now)
    owners = owners_of([*{service for service, _ in pairs}])
    rebuilt = 0
    failed: list[Pair] = []
    for service, label in sorted(pairs):
        owner = owners.get(service, Owner())
        try:
            rebuilt += _rebuild(service, Month.read(label), owner, now)
        except DatabaseError:  # such as a sum that no column holds
            logger.exception(
                "A period could not be derived.",
                extra={"service": service, "month": label},
            )
            failed.append((service, label))
    MovedUsage.objects.filter(during__lt=now - MARK_LIFETIME).delete()
    mark_dirty(failed, now, even_settled=True)
    return rebuilt


def _moved() -> set[Pair]:
    settled = UsagePeriod.objects.filter(
        service=OuterRef("service"), month=OuterRef("month"), settled=True
    )
    marks = MovedUsage.objects.filter(Q(even_settled=True) | ~Exists(settled))
    return set(marks.order_by().values_list("service", "month").distinct())


def _newly_settled(now: datetime) -> set[Pair]:
    last = Month.at(
        now - REPORT_WINDOW, "UTC"
    )  # a later one is taken still, in any zone
    rows = UsagePeriod.objects.filter(settled=False, month__lte=str(last))
    pairs = set(rows.values_list("service", "month"))
    owners = owners_of([*{service for service, _ in pairs}])
    return {
        (service, label)
        for service, label in pairs
        if now >= Month.read(label).closes_at(owners.get(service, Owner()).zone)
    }


def _rebuild(service: str, month: Month, owner: Owner, now: datetime) -> bool:
    """Derive one period; False where the service used nothing in the month."""
    with snapshot():
        found = derived(service, month, owner.zone)
    if found is None:
        rows = UsagePeriod.objects.filter(service=service, month=str(month))
        rows.filter(settled=False).delete()
        return False
    UsagePeriod.objects.update_or_create(
        service=service,
        month=str(month),
        defaults={
            "account_id": owner.account_id,
            "as_of": now,
            "settled": now >= month.closes_at(owner.zone),
            **found,
        },
    )
    return True
