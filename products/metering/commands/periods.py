"""Periods: mark them as stale, derive and close them; and mark connections without reports.

Periods are derived data and need no audit entries.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet

from products.edge.contract import DeliveryRecord
from products.instants import instant_of, microseconds_of
from products.metering.commands.merge_sql import ConnectionValues
from products.metering.models import (
    STALE_PERIOD,
    ConnectionUsage,
    UsagePeriod,
)
from products.metering.queries.current_usage import PRESUMED_CLOSED_AFTER, open_rows
from products.metering.queries.periods import (
    NO_USAGE,
    Owner,
    derived,
    months_of,
    owners_of,
    services_of,
)
from products.metering.queries.usage import snapshot
from products.months import MAX_UTC_OFFSET, REPORT_WINDOW, Month

logger = logging.getLogger(__name__)

ServiceMonth = tuple[str, str]
# A report marks a period only if it was not marked within this time. So most reports write no
# mark, and reports of one service seldom wait for each other.
MARK_INTERVAL = timedelta(minutes=10)
# The interval, and as much again for the slowest report that relied on the mark of another one.
MARK_LIFETIME = 2 * MARK_INTERVAL
# Connections marked in one transaction. A report of one of them waits only for these.
CHUNK = 1_000
_DAY_US = timedelta(days=1) // timedelta(microseconds=1)
_MARK = """
    INSERT INTO metering_usageperiod AS kept (service, month, stale_until)
    VALUES (%s, %s, %s)
    ON CONFLICT (service, month) DO UPDATE SET stale_until = excluded.stale_until
    WHERE NOT kept.is_closed
        AND (kept.stale_until IS NULL OR kept.stale_until < excluded.stale_until)"""


def periods_touched_by(
    connections: Iterable[ConnectionValues], delivery: Iterable[DeliveryRecord] = ()
) -> set[ServiceMonth]:
    """Return the periods that records may change: the months they name and all that they span.

    A connection can be open during a month that no report named.
    """
    # In days, so that thousands of connections have few different spans.
    spans = {
        (
            record.service,
            record.month,
            record.started_us // _DAY_US,
            (record.started_us + record.duration_us) // _DAY_US,
        )
        for record in connections
    }
    hours = {
        (record.service, microseconds_of(record.hour) // _DAY_US) for record in delivery
    }
    pairs = {(service, month) for service, month, _, _ in spans}
    for service, _, first, last in spans:
        pairs |= {(service, month) for month in _months_of_days(first, last)}
    for service, day in hours:
        pairs |= {(service, month) for month in _months_of_days(day, day)}
    return pairs


@lru_cache(maxsize=4096)
def _months_of_days(first: int, last: int) -> tuple[str, ...]:
    """Return the months of a span of days since 1970, in any zone."""
    earliest = Month.at(instant_of(first * _DAY_US) - MAX_UTC_OFFSET, "UTC")
    latest = Month.at(instant_of(last * _DAY_US) + MAX_UTC_OFFSET, "UTC")
    return tuple(map(str, earliest.until(latest)))


def mark_stale(pairs: Iterable[ServiceMonth], now: datetime) -> None:
    """Mark open periods as stale, in the transaction that changes their usage records."""
    wanted = set(pairs)
    if not wanted:
        return
    unchanged = UsagePeriod.objects.filter(
        Q(is_closed=True) | Q(stale_until__gte=now + MARK_INTERVAL),
        service__in={service for service, _ in wanted},
        month__in={month for _, month in wanted},
    )
    missing = sorted(wanted - set(unchanged.values_list("service", "month")))
    if missing:
        until = connection.ops.adapt_datetimefield_value(now + MARK_LIFETIME)
        with connection.cursor() as cursor:
            cursor.executemany(_MARK, [(*pair, until) for pair in missing])


def keep_bounds(
    services: Collection[str], month: Month, bounds: Iterable[datetime], now: datetime
) -> None:
    """Let the open periods of a month keep the usage up to these instants, too, once derived."""
    wanted = sorted(set(map(microseconds_of, bounds)))
    rows = UsagePeriod.objects.filter(
        service__in=services, month=str(month), is_closed=False
    )
    lacking = [
        row
        for row in rows
        if not {*_kept_bounds(row), *(row.more_bounds or ())}.issuperset(wanted)
    ]
    if lacking:
        with transaction.atomic():
            rows.filter(pk__in=[row.pk for row in lacking]).update(more_bounds=wanted)
            mark_stale({(row.service, row.month) for row in lacking}, now)


def _kept_bounds(period: UsagePeriod) -> Sequence[int]:
    return period.at_bounds["bounds"] if period.at_bounds else ()


def rebuild_usage(
    *, account_id: str = "", month: Month | None = None, now: datetime
) -> int:
    """Derive periods again from the usage records; return how many there are.

    Of one account or all, also of services unknown to the portal; of one month or all. A closed
    period whose usage records are archived or were deleted is left as it is.
    """
    services = services_of(account_id)
    owners = owners_of(services)
    rebuilt = 0
    for service in services:
        owner = owners.get(service, Owner())
        months = [month] if month is not None else months_of(service, owner.calendar)
        rebuilt += sum(_rebuild(service, each, owner, now) for each in months)
    return rebuilt


def rebuild_stale_periods(*, now: datetime) -> int:
    """Derive the periods that are stale, and close those that take no more reports; return how many.

    A period stays stale until it is derived, however long no sweep ran. One that fails is logged,
    does not hold up the others, and is tried again by the next sweep.
    """
    stale = UsagePeriod.objects.filter(STALE_PERIOD).values_list("service", "month")
    pairs = {*stale, *_newly_closed(now)}
    owners = owners_of({service for service, _ in pairs})
    rebuilt = 0
    for service, label in sorted(pairs):
        owner = owners.get(service, Owner())
        try:
            rebuilt += _rebuild(service, Month.read(label), owner, now)
        except DatabaseError:  # such as a sum that is too large for its column
            logger.exception(
                "A period could not be derived.",
                extra={"service": service, "month": label},
            )
    return rebuilt


def _newly_closed(now: datetime) -> set[ServiceMonth]:
    last = Month.at(now - REPORT_WINDOW, "UTC")  # later ones take reports in any zone
    rows = UsagePeriod.objects.filter(is_closed=False, month__lte=str(last))
    pairs = set(rows.values_list("service", "month"))
    owners = owners_of({service for service, _ in pairs})
    return {
        (service, label)
        for service, label in pairs
        if now >= owners.get(service, Owner()).calendar.closes_at(Month.read(label))
    }


def _rebuild(service: str, month: Month, owner: Owner, now: datetime) -> bool:
    """Derive one period; return whether the service used anything in the month."""
    is_closed = now >= owner.calendar.closes_at(month)
    with snapshot():
        row = UsagePeriod.objects.filter(service=service, month=str(month)).first()
        if row is not None and row.replaces_records:
            return False
        more_bounds = (row and row.more_bounds) or ()
        found = derived(
            service, month, owner.calendar, more_bounds, with_digest=is_closed
        )
    if found is None:
        rows = UsagePeriod.objects.filter(
            service=service, month=str(month), is_closed=False
        )
        # Zeros, because what was derived before may be on a bill, which then follows.
        rows.exclude(as_of=None).update(as_of=now, is_closed=is_closed, **NO_USAGE)
        # Kept while it is stale: a report that relies on this mark may not be committed yet.
        rows.filter(Q(stale_until=None) | Q(stale_until__lte=now), as_of=None).delete()
        return False
    UsagePeriod.objects.update_or_create(
        service=service,
        month=str(month),
        defaults={
            "account_id": owner.account_id,
            "as_of": now,
            "is_closed": is_closed,
            **found,
        },
    )
    return True


def presume_closed(now: datetime) -> int:
    """Mark connections that were not reported for five minutes; return how many.

    Their last durations count. A later report opens them again.
    """
    ids = list(_silent(now).values_list("pk", flat=True))
    starts = range(0, len(ids), CHUNK)
    return sum(_presume_closed(ids[start : start + CHUNK], now) for start in starts)


def _silent(now: datetime) -> "QuerySet[ConnectionUsage]":
    """Return the rows to mark, in the order in which merges lock, so that there is no deadlock."""
    rows = open_rows().filter(last_reported_at__lte=now - PRESUMED_CLOSED_AFTER)
    return rows.order_by("connection_id", "month")


def _presume_closed(ids: Sequence[int], now: datetime) -> int:
    with transaction.atomic():
        # A locked row is being reported, so it is not silent. SQLite has no row locks.
        rows = _silent(now).filter(pk__in=ids).select_for_update(skip_locked=True)
        locked = list(rows.values_list("pk", flat=True))
        marked = ConnectionUsage.objects.filter(pk__in=locked)
        return marked.update(presumed_closed_at=now)
