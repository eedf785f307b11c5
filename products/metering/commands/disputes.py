"""Keep reports that contradict what is counted, and let a person decide between the two."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.actor import Actor, Interface
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.policy import PLATFORM, Resource
from accounts.roles import Permission
from products.metering.commands.replace import (
    apply_reported_connection,
    replace_delivery,
)
from products.metering.facts import ConnectionFact, DeliveryFact
from products.metering.models import Edge, UsageConflict
from products.metering.months import Month
from products.services.models import Service

INGEST = Actor.system("ingest-usage", interface=Interface.EDGE)
COUNTERS = ("duration_us", "bytes_from_client", "bytes_to_client", "requests", "final")
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class NewDispute:
    """A record that could not be merged; `ours` is None where nothing was counted before."""

    kind: UsageConflict.Kind
    record_id: str
    month: str
    reason: UsageConflict.Reason
    service: str
    ours: Mapping[str, Any] | None
    theirs: Mapping[str, Any]

    @classmethod
    def connection(
        cls,
        theirs: ConnectionFact,
        ours: ConnectionFact | None,
        reason: UsageConflict.Reason,
    ) -> "NewDispute":
        """Return what was found of a connection."""
        return cls(
            kind=UsageConflict.Kind.CONNECTION,
            record_id=theirs.connection_id,
            month=theirs.month,
            reason=reason,
            service=(ours or theirs).service,
            ours=ours and ours._asdict(),
            theirs=theirs._asdict(),
        )

    @classmethod
    def delivery(
        cls,
        theirs: DeliveryFact,
        month: Month,
        reason: UsageConflict.Reason,
        *,
        edge: str,
        boot: str,
    ) -> "NewDispute":
        """Return a delivery counter of a time that is not taken."""
        hour = theirs.hour.isoformat()
        return cls(
            kind=UsageConflict.Kind.DELIVERY,
            record_id=f"{boot}/{theirs.service}/{hour}",
            month=str(month),
            reason=reason,
            service=theirs.service,
            ours=None,
            theirs=theirs._asdict() | {"hour": hour, "edge": edge, "boot": boot},
        )

    @property
    def key(self) -> Key:
        """Return what makes two findings the same conflict."""
        return (self.kind.value, self.record_id, self.month, self.reason.value)


def reason_of(theirs: ConnectionFact, ours: ConnectionFact) -> UsageConflict.Reason:
    """Say why two facts of one connection contradict each other; that they do is known."""
    if theirs.service != ours.service:
        return UsageConflict.Reason.SERVICE
    if theirs.started_us != ours.started_us:
        return UsageConflict.Reason.START
    if theirs.final and ours.final:
        return UsageConflict.Reason.FINALS_DIFFER
    if ours.final:
        return UsageConflict.Reason.BEYOND_FINAL
    return UsageConflict.Reason.FINAL_BEHIND


def save_disputes(
    edge: Edge, found: Sequence[NewDispute], now: datetime
) -> list[NewDispute]:
    """Keep what could not be merged, and return what is in dispute: not what a person has settled.

    A conflict known already grows with its reports and is not noted again; new ones are noted
    once for each account, by the system's `ingest-usage`.
    """
    ids = {each.record_id for each in found}
    settled: dict[Key, list[UsageConflict]] = defaultdict(list)
    known: dict[Key, UsageConflict] = {}
    disputed: list[NewDispute] = []
    new: dict[Key, UsageConflict] = {}
    with transaction.atomic():
        # Locked, so that nobody decides about less than what the row then says. The door that
        # notes new ones is opened after this: a decision holds it and waits for the row.
        rows = UsageConflict.objects.select_for_update().filter(record_id__in=ids)
        for row in rows.order_by("pk"):
            if row.is_open:
                known[_key_of(row)] = row
            else:
                settled[_key_of(row)].append(row)
        for each in found:
            if any(_covers(row.theirs, each.theirs) for row in settled[each.key]):
                continue
            disputed.append(each)
            row = known.get(each.key) or new.setdefault(
                each.key, _row_of(each, edge, now)
            )
            row.theirs = _larger(row.theirs, each.theirs)
            row.last_found_at = now
        if known:
            UsageConflict.objects.bulk_update(
                known.values(), ["theirs", "last_found_at"], batch_size=500
            )
    _note_new(edge, list(new.values()), now)
    return disputed


def record_disputes(
    actor: Actor,
    *,
    on: Resource,
    edge: Edge,
    conflicts: Sequence[UsageConflict],
    now: datetime,
) -> None:
    """Keep new conflicts of one account, or of services that nobody knows, with one note for all.

    Raises Forbidden. Notes usage.dispute_found, unless all of them are kept already.
    """
    with recorded_change(actor, Permission.USAGE_INGEST, on=on, now=now) as trail:
        new = _not_kept_yet(conflicts)
        if not new:
            raise Unchanged  # somebody else has found them at the same moment
        UsageConflict.objects.bulk_create(new)
        services = {each.service for each in new}
        reasons = Counter(str(each.reason) for each in new)
        trail.note(
            Event.USAGE_DISPUTE_FOUND,
            target=("edge", edge.pk, edge.name),
            service_id=_only(services),
            after={"conflicts": len(new)} | dict(sorted(reasons.items())),
        )


def resolve_conflict(
    actor: Actor, *, conflict: UsageConflict, keep: str, reason: str, now: datetime
) -> UsageConflict:
    """Decide a conflict: `keep` is "ours" (what counts stays) or "theirs" (the report counts instead).

    Raises Forbidden, Invalid without a reason or with another `keep`, and Conflict where somebody
    has decided already. Notes usage.dispute_resolved.
    """
    account = Account.objects.filter(pk=conflict.account_id).first()
    with recorded_change(
        actor, Permission.USAGE_RESOLVE, on=account or PLATFORM, now=now
    ) as trail:
        reason = reason.strip()
        if not reason:
            raise Invalid("A resolution needs a reason.", field="reason")
        if keep not in UsageConflict.Resolution:
            raise Invalid("Keep ours or theirs.", field="keep")
        row = UsageConflict.objects.select_for_update().get(pk=conflict.pk)
        if not row.is_open:
            raise Conflict(f"{row.resolved_by} has resolved this conflict already.")
        if keep == UsageConflict.Resolution.THEIRS:
            _count_theirs(row, now)
        row.resolved_at, row.resolved_by = now, actor.label
        row.resolution, row.resolution_reason = keep, reason
        row.save()
        trail.note(
            Event.USAGE_DISPUTE_RESOLVED,
            target=("conflict", str(row.pk), row.record_id[:255]),
            service_id=row.service[:22],
            before=row.ours,
            after={"kept": keep} | row.theirs,
            reason=reason,
        )
    return row


def _not_kept_yet(conflicts: Sequence[UsageConflict]) -> list[UsageConflict]:
    ids = [each.record_id for each in conflicts]
    rows = UsageConflict.objects.filter(record_id__in=ids, resolved_at=None)
    kept = set(rows.values_list("kind", "record_id", "month", "reason"))
    return [each for each in conflicts if _key_of(each) not in kept]


def _key_of(row: UsageConflict) -> Key:
    return (str(row.kind), row.record_id, row.month, str(row.reason))


def _count_theirs(row: UsageConflict, now: datetime) -> None:
    if row.kind == UsageConflict.Kind.CONNECTION:
        apply_reported_connection(ConnectionFact(**row.theirs), row, now)
    else:
        replace_delivery(row.theirs, now)


def _note_new(edge: Edge, rows: Sequence[UsageConflict], now: datetime) -> None:
    services = {row.service for row in rows}
    owners = dict(
        Service.objects.filter(pk__in=services).values_list("pk", "account_id")
    )
    by_account: dict[str, list[UsageConflict]] = defaultdict(list)
    for row in rows:
        row.account_id = owners.get(row.service, "")
        by_account[row.account_id].append(row)
    accounts: Mapping[str, Resource] = Account.objects.in_bulk([*by_account])
    for account_id, conflicts in sorted(by_account.items()):
        place = accounts.get(account_id, PLATFORM)
        record_disputes(INGEST, on=place, edge=edge, conflicts=conflicts, now=now)


def _row_of(found: NewDispute, edge: Edge, now: datetime) -> UsageConflict:
    return UsageConflict(
        kind=found.kind,
        record_id=found.record_id,
        month=found.month,
        service=found.service,
        edge=edge.name,
        reason=found.reason,
        ours=found.ours,
        theirs=found.theirs,
        found_at=now,
        last_found_at=now,
    )


def _covers(known: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Tell whether one version of the facts holds all that another says."""
    return all(
        said[name] <= known[name] if name in COUNTERS else said[name] == known[name]
        for name in said
    )


def _larger(known: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two versions by maximum; those of different services or starts stay as they are."""
    if any(known[name] != said[name] for name in said if name not in COUNTERS):
        return dict(known)
    return {
        name: max(known[name], said[name]) if name in COUNTERS else known[name]
        for name in said
    }


def _only(services: set[str]) -> str:
    return next(iter(services))[:22] if len(services) == 1 else ""
