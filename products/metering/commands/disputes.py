"""Disputes: find reports that cannot be merged, save them, and resolve them.

A record is disputed if it contradicts what is recorded, or if it is out of window: too late, in
the future, or impossible for its month.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import transaction
from msgspec.structs import asdict

from accounts.actor import Actor, Interface
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.policy import PLATFORM, Resource
from accounts.roles import Permission
from products.calendars import Calendar
from products.edge.contract import DeliveryRecord
from products.instants import microseconds_of
from products.metering.commands.merge_sql import (
    ConnectionValues,
    ReportSource,
    merge_delivery,
)
from products.metering.commands.periods import (
    ServiceMonth,
    mark_stale,
    periods_touched_by,
)
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries.periods import Owner, owners_of
from products.months import MAX_UTC_OFFSET, REPORT_WINDOW, Month

INGEST = Actor.system("ingest-usage", interface=Interface.EDGE)
COUNTERS = frozenset(
    {"duration_us", "bytes_from_client", "bytes_to_client", "requests", "final"}
)
# Allows for an edge whose clock is a little wrong, and for one that still uses a route table from
# before midnight and so names the month before.
TOLERANCE = timedelta(days=1)
_TOLERANCE_US = TOLERANCE // timedelta(microseconds=1)
_MAX_UTC_OFFSET_US = MAX_UTC_OFFSET // timedelta(microseconds=1)
_OUT_OF_WINDOW = frozenset(
    {
        UsageDispute.Reason.LATE,
        UsageDispute.Reason.FUTURE,
        UsageDispute.Reason.BEFORE_START,
        UsageDispute.Reason.AFTER_END,
        UsageDispute.Reason.BEFORE_EDGE,
        UsageDispute.Reason.NOT_CARRIED,
        UsageDispute.Reason.TOO_MANY_BYTES,
    }
)
Reason = UsageDispute.Reason


# Records out of window


class _Window(NamedTuple):
    """The instants of a month in a zone, in microseconds since 1970."""

    starts_us: int
    ends_us: int
    accepts_until_us: int


class _SafeBounds(NamedTuple):
    """Bounds within which a connection is in the window of its month, whatever the zone."""

    earliest_end_us: int
    latest_start_us: int
    latest_end_us: int


# No connection is within these.
_NOTHING_IS_SAFE = _SafeBounds(0, 0, -1)


def out_of_window_connections(
    records: Sequence[ConnectionValues], received_at: datetime
) -> dict[ConnectionValues, Reason]:
    """Return the records that are out of window in the zone of their account, with the reason.

    The database is asked for zones only if a record may be out of window, which is rare.
    """
    now_us = microseconds_of(received_at)
    safe = {
        month: _safe_bounds(month, now_us) for month in {each.month for each in records}
    }
    doubtful = [
        record
        for record in records
        for bounds in (safe[record.month],)
        if record.started_us > bounds.latest_start_us
        or not bounds.earliest_end_us
        <= record.started_us + record.duration_us
        <= bounds.latest_end_us
    ]
    if not doubtful:
        return {}
    owners = owners_of({record.service for record in doubtful})
    reasons = {
        record: _reason_out_of_window(
            record, owners.get(record.service, Owner()).calendar, now_us
        )
        for record in doubtful
    }
    return {record: reason for record, reason in reasons.items() if reason is not None}


def _safe_bounds(label: str, now_us: int) -> _SafeBounds:
    window = _window(label, Calendar())
    latest_end_us = now_us + _TOLERANCE_US
    may_be_late = now_us > window.accepts_until_us - _MAX_UTC_OFFSET_US
    if may_be_late or window.starts_us + _MAX_UTC_OFFSET_US > latest_end_us:
        return _NOTHING_IS_SAFE
    return _SafeBounds(
        earliest_end_us=window.starts_us + _MAX_UTC_OFFSET_US - _TOLERANCE_US,
        latest_start_us=window.ends_us - _MAX_UTC_OFFSET_US + _TOLERANCE_US,
        latest_end_us=latest_end_us,
    )


def _reason_out_of_window(
    record: ConnectionValues, calendar: Calendar, now_us: int
) -> Reason | None:
    window = _window(record.month, calendar)
    ended_us = record.started_us + record.duration_us
    if now_us > window.accepts_until_us:
        return Reason.LATE
    if max(window.starts_us, ended_us) > now_us + _TOLERANCE_US:
        return Reason.FUTURE
    if record.started_us > window.ends_us + _TOLERANCE_US:
        return Reason.BEFORE_START
    if ended_us < window.starts_us - _TOLERANCE_US:
        return Reason.AFTER_END
    return None


@lru_cache(maxsize=1024)
def _window(label: str, calendar: Calendar) -> _Window:
    month = Month.read(label)
    return _Window(
        microseconds_of(calendar.starts_at(month)),
        microseconds_of(calendar.ends_at(month)),
        microseconds_of(calendar.accepts_reports_until(month)),
    )


def with_new_information(
    records: Sequence[ConnectionValues],
    reasons: Mapping[ConnectionValues, Reason],
    source: ReportSource,
) -> list[UsageDispute]:
    """Return a dispute for each record that has a reason and exceeds what is recorded."""
    rows = ConnectionUsage.objects.filter(
        connection_id__in={record.connection_id for record in reasons}
    )
    known = {(row.connection_id, row.month): values_of(row) for row in rows}
    found = []
    for reported in records:
        recorded = known.get((reported.connection_id, reported.month))
        if reported in reasons and not (
            recorded and adds_nothing(reported._asdict(), recorded._asdict())
        ):
            found.append(
                connection_dispute(reported, recorded, reasons[reported], source)
            )
    return found


def out_of_window_delivery(
    records: Sequence[DeliveryRecord], source: ReportSource
) -> dict[DeliveryRecord, UsageDispute]:
    """Return the counters that are out of window and exceed what is recorded, with their disputes."""
    received_at = source.received_at
    doubtful = [
        record
        for record in records
        if not received_at - REPORT_WINDOW <= record.hour <= received_at + TOLERANCE
    ]
    if not doubtful:
        return {}
    owners = owners_of({record.service for record in doubtful})
    known = _recorded_delivery(doubtful, source)
    found = {}
    for record in doubtful:
        calendar = owners.get(record.service, Owner()).calendar
        month = calendar.month_at(record.hour)
        is_future = record.hour > received_at
        if not (is_future or received_at > calendar.accepts_reports_until(month)):
            continue
        recorded = known.get((record.service, record.hour))
        if recorded is None or not adds_nothing(asdict(record), recorded):
            reason = Reason.FUTURE if is_future else Reason.LATE
            found[record] = _delivery_dispute(record, month, reason, source)
    return found


def delivery_disputes(
    reasons: Mapping[DeliveryRecord, Reason], source: ReportSource
) -> dict[DeliveryRecord, UsageDispute]:
    """Return a dispute for each hour of ordinary HTTP that has a reason."""
    if not reasons:
        return {}
    owners = owners_of({record.service for record in reasons})
    return {
        record: _delivery_dispute(
            record,
            owners.get(record.service, Owner()).calendar.month_at(record.hour),
            reason,
            source,
        )
        for record, reason in reasons.items()
    }


def _recorded_delivery(
    records: Collection[DeliveryRecord], source: ReportSource
) -> dict[tuple[str, datetime], dict[str, Any]]:
    rows = DeliveryUsage.objects.filter(
        edge=source.edge,
        instance=source.instance,
        service__in={record.service for record in records},
        hour__in={record.hour for record in records},
    ).values(*DeliveryRecord.__struct_fields__)
    return {(row["service"], row["hour"]): dict(row) for row in rows}


# Records that contradict what is recorded


def contradiction_reason(
    reported: ConnectionValues, recorded: ConnectionValues
) -> Reason:
    """Return why two records that contradict each other do so."""
    if reported.service != recorded.service:
        return Reason.SERVICE
    if reported.started_us != recorded.started_us:
        return Reason.START
    if reported.final and recorded.final:
        return Reason.FINALS_DIFFER
    if recorded.final:
        return Reason.BEYOND_FINAL
    return Reason.FINAL_BEHIND


def adds_nothing(reported: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Tell whether a record is the same as another one, with counters that are not larger."""
    return all(
        value <= recorded[name] if name in COUNTERS else value == recorded[name]
        for name, value in reported.items()
    )


def larger(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return one record with the larger of each counter; the first one if they contradict."""
    if any(value != other[name] for name, value in one.items() if name not in COUNTERS):
        return dict(one)
    return {
        name: max(value, other[name]) if name in COUNTERS else value
        for name, value in one.items()
    }


def values_of(row: ConnectionUsage) -> ConnectionValues:
    """Return a row as the values of a usage record."""
    return ConnectionValues(*(getattr(row, name) for name in ConnectionValues._fields))


# Saving


def connection_dispute(
    reported: ConnectionValues,
    recorded: ConnectionValues | None,
    reason: Reason,
    source: ReportSource,
) -> UsageDispute:
    """Return an unsaved dispute about a connection."""
    return UsageDispute(
        kind=UsageDispute.Kind.CONNECTION,
        record_id=reported.connection_id,
        month=reported.month,
        service=(recorded or reported).service,
        edge=source.edge,
        reason=reason,
        recorded=recorded and recorded._asdict(),
        reported=reported._asdict(),
        found_at=source.received_at,
        last_found_at=source.received_at,
    )


def _delivery_dispute(
    reported: DeliveryRecord, month: Month, reason: Reason, source: ReportSource
) -> UsageDispute:
    hour = reported.hour.isoformat()
    origin = {"hour": hour, "edge": source.edge, "instance": source.instance}
    return UsageDispute(
        kind=UsageDispute.Kind.DELIVERY,
        record_id=f"{source.instance}/{reported.service}/{hour}",
        month=str(month),
        service=reported.service,
        edge=source.edge,
        reason=reason,
        reported=asdict(reported) | origin,
        found_at=source.received_at,
        last_found_at=source.received_at,
    )


def save_disputes(
    edge: Edge, found: Sequence[UsageDispute], now: datetime
) -> list[UsageDispute]:
    """Save what could not be merged; return what is still in dispute.

    Reports of an open dispute extend its row and are not noted again. Reports that add nothing to
    a resolved dispute are left out. New disputes are noted once per account by `ingest-usage`.
    """
    resolved: dict[tuple[str, ...], list[UsageDispute]] = defaultdict(list)
    rows: dict[tuple[str, ...], UsageDispute] = {}
    disputed: list[UsageDispute] = []
    with transaction.atomic():
        # Locked, so that a dispute that is being resolved is not extended. New ones are noted after
        # this transaction: a resolution locks the account's chain first and then the row.
        known = UsageDispute.objects.select_for_update().filter(
            record_id__in={each.record_id for each in found}
        )
        for row in known.order_by("pk"):
            if row.is_open:
                rows[row.key] = row
            else:
                resolved[row.key].append(row)
        for each in found:
            if any(
                adds_nothing(each.reported, row.reported) for row in resolved[each.key]
            ):
                continue
            disputed.append(each)
            row = rows.setdefault(each.key, each)
            row.reported = larger(row.reported, each.reported)
            row.last_found_at = now
        UsageDispute.objects.bulk_update(
            [row for row in rows.values() if row.pk],
            ["reported", "last_found_at"],
            batch_size=500,
        )
    _note_new(edge, [row for row in rows.values() if not row.pk], now)
    return disputed


def record_disputes(
    actor: Actor,
    *,
    on: Resource,
    edge: Edge,
    disputes: Sequence[UsageDispute],
    now: datetime,
) -> None:
    """Save new disputes of one account, or of services unknown to the portal, with one note.

    Raises Forbidden. Notes usage.dispute_found, unless all of them are already saved.
    """
    with recorded_change(actor, Permission.USAGE_INGEST, on=on, now=now) as trail:
        new = _not_saved(disputes)
        if not new:
            raise Unchanged  # another report found them at the same time
        UsageDispute.objects.bulk_create(new)
        services = {each.service for each in new}
        reasons = Counter(str(each.reason) for each in new)
        trail.note(
            Event.USAGE_DISPUTE_FOUND,
            target=("edge", edge.pk, edge.name),
            service_id=_only(services),
            after={"conflicts": len(new)} | dict(sorted(reasons.items())),
        )


def _note_new(edge: Edge, rows: Sequence[UsageDispute], now: datetime) -> None:
    if not rows:
        return
    owners = owners_of({row.service for row in rows})
    by_account: dict[str, list[UsageDispute]] = defaultdict(list)
    for row in rows:
        row.account_id = owners.get(row.service, Owner()).account_id
        by_account[row.account_id].append(row)
    accounts: Mapping[str, Resource] = Account.objects.in_bulk([*by_account])
    for account_id, disputes in sorted(by_account.items()):
        resource = accounts.get(account_id, PLATFORM)
        record_disputes(INGEST, on=resource, edge=edge, disputes=disputes, now=now)


def _not_saved(disputes: Sequence[UsageDispute]) -> list[UsageDispute]:
    ids = [each.record_id for each in disputes]
    rows = UsageDispute.objects.filter(record_id__in=ids, resolved_at=None)
    saved = set(rows.values_list("kind", "record_id", "month", "reason"))
    return [each for each in disputes if each.key not in saved]


def _only(services: set[str]) -> str:
    return next(iter(services))[:22] if len(services) == 1 else ""


# Resolving


def resolve_dispute(
    actor: Actor, *, dispute: UsageDispute, keep: str, reason: str, now: datetime
) -> UsageDispute:
    """Resolve a dispute: `keep` says whether the "recorded" or the "reported" values count.

    Raises Forbidden, Invalid without a reason, with too long a one or with another `keep`, and
    Conflict if the dispute is already resolved. Notes usage.dispute_resolved.
    """
    account = Account.objects.filter(pk=dispute.account_id).first()
    with recorded_change(
        actor, Permission.USAGE_RESOLVE, on=account or PLATFORM, now=now
    ) as trail:
        reason = clean_reason(reason)
        if keep not in UsageDispute.Resolution:
            raise Invalid("Choose the recorded or the reported values.", field="keep")
        row = UsageDispute.objects.select_for_update().get(pk=dispute.pk)
        if not row.is_open:
            raise Conflict(f"{row.resolved_by} has already resolved this dispute.")
        if keep == UsageDispute.Resolution.REPORTED:
            _apply_reported(row, trail.now)
        row.resolved_at, row.resolved_by = trail.now, actor.words
        row.resolution, row.resolution_reason = keep, reason
        row.save()
        trail.note(
            Event.USAGE_DISPUTE_RESOLVED,
            target=("dispute", str(row.pk), row.record_id[:255]),
            service_id=row.service[:22],
            before=row.recorded,
            after={"kept": keep} | row.reported,
            reason=reason,
        )
    return row


def _apply_reported(row: UsageDispute, now: datetime) -> None:
    if row.kind == UsageDispute.Kind.CONNECTION:
        _apply_reported_connection(ConnectionValues(**row.reported), row, now)
    else:
        _apply_reported_delivery(row.reported, now)


def _apply_reported_connection(
    record: ConnectionValues, dispute: UsageDispute, now: datetime
) -> None:
    """Count a record in its month, and make the other months of the connection agree with it.

    If the report was only out of window, the larger of each counter counts.
    """
    # Reports of the connection wait from here on. Merges lock in the same order.
    rows = (
        ConnectionUsage.objects.select_for_update()
        .filter(connection_id=record.connection_id)
        .order_by("connection_id", "month")
    )
    known = {row.month: row for row in rows}
    touched = periods_touched_by([record, *map(values_of, known.values())])
    row = known.pop(record.month, None)
    values = record._asdict()
    if row is None:
        row = ConnectionUsage(
            edge=dispute.edge, clock_differs=False, last_reported_at=now
        )
    elif dispute.reason in _OUT_OF_WINDOW:
        values = larger(values, values_of(row)._asdict())
    for name, value in values.items():
        setattr(row, name, value)
    row.presumed_closed_at = None if row.final else now
    row.save()
    for other in known.values():
        other.service, other.started_us = row.service, row.started_us
        other.final = other.final and other.duration_us >= row.duration_us
        if row.final:
            other.duration_us = min(other.duration_us, row.duration_us)
        other.save()
    _reopen(touched, now)


def _apply_reported_delivery(values: Mapping[str, Any], now: datetime) -> None:
    counters = {name: values[name] for name in DeliveryRecord.__struct_fields__}
    hour = datetime.fromisoformat(values["hour"])
    record = DeliveryRecord(**counters | {"hour": hour})
    source = ReportSource(
        values["edge"], values["instance"], received_at=now, clock_differs=False
    )
    merge_delivery([record], source)
    _reopen(periods_touched_by([], [record]), now)


def _reopen(pairs: Collection[ServiceMonth], now: datetime) -> None:
    """Open the closed periods again and mark all as stale.

    A sweep that has read the usage records before this change may close a period again. The period
    is stale then, so the next sweep derives it.
    """
    for service, month in sorted(pairs):
        rows = UsagePeriod.objects.filter(service=service, month=month, is_closed=True)
        rows.update(is_closed=False)
    mark_stale(pairs, now)
