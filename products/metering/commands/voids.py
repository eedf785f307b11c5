"""Void what an edge reported of a time: its records are set apart and never count again."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from msgspec.structs import asdict

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.commands.reasons import clean_reason
from accounts.models import Account
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.edge.contract import DeliveryRecord
from products.metering.commands.disputes import values_of
from products.metering.commands.periods import (
    ServiceMonth,
    mark_stale,
    periods_touched_by,
)
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsageVoid,
    VoidedRecord,
)
from products.metering.queries.voids import EdgeTime, review_void
from products.months import Month

logger = logging.getLogger(__name__)
# A report that was received before a void is merged within this time.
LATE_MERGE: Final = timedelta(hours=1)
_CHUNK = 1_000
Row = TypeVar("Row", bound=Model)


def void_usage(
    actor: Actor, *, period: EdgeTime, reason: str, now: datetime
) -> UsageVoid:
    """Take the usage that an edge reported of a period out of what counts, for good.

    Periods are derived again, and bills follow. Open disputes about it are resolved. Raises
    Forbidden, Invalid also without a reason, NotFound and MonthClosed. Notes usage.voided for the
    platform and for each account with usage in the period.
    """
    reason = clean_reason(reason)
    affected = review_void(period, now)
    accounts = set(
        Account.objects.filter(pk__in=[each.account_id for each in affected])
        .order_by()
        .values_list("pk", flat=True)
    )
    with recorded_change(
        actor, Permission.USAGE_VOID, on=PLATFORM, now=now, also=accounts
    ) as trail:
        void = UsageVoid.objects.create(
            edge=period.edge,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            reason=reason,
            voided_by=actor.words,
            voided_at=trail.now,
        )
        records = _set_apart(void, period, trail.now)
        disputes = _resolve_disputes(void, period)
        target = ("usage_void", str(void.pk), period.edge)
        span: dict[str, object] = {
            "starts_at": period.starts_at.isoformat(),
            "ends_at": period.ends_at.isoformat(),
        }
        trail.note(
            Event.USAGE_VOIDED,
            target=target,
            after=span | {"records": records, "disputes": disputes},
            reason=reason,
        )
        for each in affected:
            if each.account_id in accounts:
                trail.note(
                    Event.USAGE_VOIDED,
                    target=target,
                    after=span | each.to_json(),
                    reason=reason,
                    account_id=each.account_id,
                )
    return void


def void_late_merges(now: datetime) -> int:
    """Set apart what a report that was in flight during a void has merged; return how many records."""
    found = 0
    for void in UsageVoid.objects.filter(voided_at__gt=now - LATE_MERGE):
        period = EdgeTime(void.edge, void.starts_at, void.ends_at)
        with transaction.atomic():
            records = _set_apart(void, period, now)
        if records:
            logger.warning(
                "Records of a voided time were merged meanwhile and are set apart.",
                extra={"edge": void.edge, "records": records},
            )
        found += records
    return found


def _set_apart(void: UsageVoid, period: EdgeTime, now: datetime) -> int:
    """Move the records of a period to its void and mark their periods; return how many records."""
    touched: set[ServiceMonth] = set()
    moved = 0
    # In the order in which merges lock, so that there is no deadlock.
    for connections in _chunks(period.connections().order_by("connection_id", "month")):
        touched |= periods_touched_by([values_of(row) for row in connections])
        moved += _move(void, UsageDispute.Kind.CONNECTION, connections)
    for hours in _chunks(period.delivery().order_by("pk")):
        touched |= periods_touched_by([], [_record_of(row) for row in hours])
        moved += _move(void, UsageDispute.Kind.DELIVERY, hours)
    mark_stale(touched, now)
    return moved


def _chunks(rows: "QuerySet[Row]") -> "Iterator[list[Row]]":
    """Yield locked rows, some at a time; their ids are read once, because the query reads a table."""
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        chunk = rows.filter(pk__in=ids[start : start + _CHUNK])
        yield list(chunk.select_for_update())


def _move(
    void: UsageVoid,
    kind: UsageDispute.Kind,
    rows: "Sequence[ConnectionUsage] | Sequence[DeliveryUsage]",
) -> int:
    VoidedRecord.objects.bulk_create(
        VoidedRecord(
            void=void,
            kind=kind,
            service=row.service,
            month=_month_label(row),
            values=_values(row),
        )
        for row in rows
    )
    model = type(rows[0])
    return model.objects.filter(pk__in=[row.pk for row in rows]).delete()[0]


def _month_label(row: ConnectionUsage | DeliveryUsage) -> str:
    if isinstance(row, ConnectionUsage):
        return row.month
    return str(Month.at(row.hour, "UTC"))


def _values(row: ConnectionUsage | DeliveryUsage) -> dict[str, object]:
    if isinstance(row, ConnectionUsage):
        return values_of(row)._asdict()
    return asdict(_record_of(row)) | {
        "hour": row.hour.isoformat(),
        "instance": row.instance,
    }


def _record_of(row: DeliveryUsage) -> DeliveryRecord:
    names = DeliveryRecord.__struct_fields__
    return DeliveryRecord(**{name: getattr(row, name) for name in names})


def _resolve_disputes(void: UsageVoid, period: EdgeTime) -> int:
    """Resolve the open disputes about a period, so that nothing of it can count; return how many."""
    ids = [each.pk for each in period.disputes()]
    return UsageDispute.objects.filter(pk__in=ids, resolved_at=None).update(
        resolved_at=void.voided_at,
        resolved_by=void.voided_by,
        resolution=UsageDispute.Resolution.RECORDED,
        resolution_reason=void.reason,
    )
