"""Appends entries to an account's chain; only `accounts.change` imports it."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts.actor import ActorType, Interface
from accounts.audit.chain import GENESIS, canonical, commitment, event_hash
from accounts.audit.entry_body import COPIED, VERSION, copies, timestamp
from accounts.audit.models import (
    MAX_LABEL_LENGTH,
    RECORDED_REFUSALS,
    AuditEvent,
    ChainHead,
    PersonalData,
    RepeatedRefusal,
    SearchTerm,
)
from accounts.audit.search_terms import terms_of
from accounts.audit.vocabulary import Event, Outcome
from accounts.prepared import PreparedQuery

SALT_BYTES = 16
# The client chooses the request id and the user agent; a limit keeps them from filling the table.
MAX_REQUEST_ID_LENGTH = 64
MAX_PERSONAL_VALUE_LENGTH = 1000
# Refusals that a new one is compared with. An actor who gets more kinds of them has an entry for each.
MAX_COMPARED = 20


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry as a command notes it: event, target, and the changed fields before and after."""

    event: Event
    target_type: str
    target_id: str
    target_label: str = ""
    product: str = ""
    service_id: str = ""
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    reason: str = ""
    outcome: Outcome = Outcome.DONE
    agreed_text_hash: str = ""


@dataclass(frozen=True, slots=True)
class EntrySource:
    """The actor of an entry, and where they acted from."""

    actor_type: ActorType
    actor_id: str
    actor_label: str
    interface: Interface
    request_id: str
    on_behalf_of: str = ""
    auth_method: str = ""
    reauth_at: datetime | None = None
    ip: str = ""
    email: str = ""
    user_agent: str = ""


def count_repeat(
    account_id: str,
    entry: NewEntry,
    *,
    source: EntrySource,
    since: datetime,
    now: datetime,
) -> bool:
    """Count a refusal that an actor got several times since an instant; return False if it is new.

    It is the same if actor, event, target and reasons are. RECORDED_REFUSALS of them are new. The
    chain's head must be locked.
    """
    earlier = AuditEvent.objects.filter(
        account_id=account_id,
        target_id=entry.target_id,
        at__gte=since,
        action=entry.event,
        outcome=Outcome.REFUSED,
        actor_type=source.actor_type,
        actor_id=source.actor_id,
    )
    latest = earlier.order_by("-at", "-id")[:MAX_COMPARED]
    same = [each for each in latest if each.body.get("after") == entry.after]
    if len(same) < RECORDED_REFUSALS:
        return False
    repeats, is_first = RepeatedRefusal.objects.get_or_create(
        account_id=account_id, sequence=same[0].sequence, defaults={"last_at": now}
    )
    if not is_first:
        repeats.count += 1
        repeats.last_at = max(repeats.last_at, now)
        repeats.save(update_fields=["count", "last_at"])
    return True


_HEAD: Final = PreparedQuery(
    lambda account_id: ChainHead.objects.select_for_update().filter(pk=account_id)
)


def lock_head(account_id: str) -> ChainHead:
    """Lock the head of an account's chain until the transaction ends; creates it if there is none.

    Raises TransactionManagementError outside a transaction.
    """
    found = _HEAD.rows(account_id)
    if not found:
        # If two transactions create the head concurrently, the second one waits here.
        ChainHead.objects.bulk_create(
            [ChainHead(account_id=account_id, event_hash=GENESIS)],
            ignore_conflicts=True,
        )
        found = _HEAD.rows(account_id)
    return found[0]


def append(
    head: ChainHead,
    entries: Sequence[NewEntry],
    *,
    source: EntrySource,
    at: datetime,
    clock: datetime | None = None,
) -> list[AuditEvent]:
    """Append entries to the chain of a locked head, in order; the head is then that of the chain.

    `clock` is what the writer's clock said if `at` is another time; the entries keep it.
    Raises ValueError for no entries and for values without a canonical form (floats, times, model
    instances), and IntegrityError if the chain does not end at its head.
    """
    if not entries:
        raise ValueError("nothing to append")
    # Clocks of processes differ, and a later request may commit first. Within a chain time never
    # decreases, so the order by sequence and the order by time are the same.
    clock, at = clock or at, max(at, head.at or at)
    events: list[AuditEvent] = []
    personal: list[tuple[AuditEvent, list[PersonalData]]] = []
    for entry in entries:
        values = _personal_data(head.account_id, head.sequence + 1, source)
        event = _event(head, entry, source=source, at=at, clock=clock, personal=values)
        head.sequence, head.event_hash, head.at = event.sequence, event.event_hash, at
        events.append(event)
        personal.append((event, values))
    AuditEvent.objects.bulk_create(events)
    for event, values in personal:
        for value in values:
            value.event_id = event.pk
    PersonalData.objects.bulk_create(
        value for _, values in personal for value in values
    )
    head.save(update_fields=["sequence", "event_hash", "at"])
    return events


def index_terms(events: Iterable[AuditEvent]) -> None:
    """Make entries findable by the start of their names and ids; once per transaction, last.

    One statement in the order of the terms, so that transactions never wait for each other in a
    circle.
    """
    terms = sorted({term for event in events for term in terms_of(event)})
    SearchTerm.objects.bulk_create(
        [
            SearchTerm(folded=folded, column=column, value=value)
            for folded, column, value in terms
        ],
        ignore_conflicts=True,
    )


def _event(
    head: ChainHead,
    entry: NewEntry,
    *,
    source: EntrySource,
    at: datetime,
    clock: datetime,
    personal: Sequence[PersonalData],
) -> AuditEvent:
    body = _body(head, entry, source=source, at=at) | {
        "pii": {
            each.kind: commitment(bytes.fromhex(each.salt), each.value)
            for each in personal
        }
    }
    if clock != at:
        body["clock"] = timestamp(clock)
    text = canonical(body)
    columns = dict(zip(COPIED, copies(body), strict=True))
    return AuditEvent(
        **columns | {"at": at},
        canonical=text,
        prev_hash=head.event_hash,
        event_hash=event_hash(head.event_hash, text),
    )


def _body(
    head: ChainHead, entry: NewEntry, *, source: EntrySource, at: datetime
) -> dict[str, object]:
    before, after = _changed(entry.before, entry.after)
    return {
        "v": VERSION,
        "account": head.account_id,
        "seq": head.sequence + 1,
        "at": timestamp(at),
        "action": str(entry.event),
        "actor": {
            "type": str(source.actor_type),
            "id": source.actor_id,
            "label": source.actor_label[:MAX_LABEL_LENGTH],
        },
        "on_behalf_of": source.on_behalf_of,
        "auth": {
            "method": source.auth_method,
            "reauth_at": timestamp(source.reauth_at) if source.reauth_at else None,
        },
        "interface": str(source.interface),
        "request_id": source.request_id[:MAX_REQUEST_ID_LENGTH],
        "target": {
            "type": entry.target_type,
            "id": entry.target_id,
            "label": entry.target_label[:MAX_LABEL_LENGTH],
        },
        "product": entry.product,
        "service_id": entry.service_id,
        "cause": "",  # the event that led to this one; none has one yet
        "reason": entry.reason,
        "before": before,
        "after": after,
        "outcome": str(entry.outcome),
        "agreed_text_hash": entry.agreed_text_hash,
    }


def _changed(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> tuple[dict[str, object] | None, dict[str, object] | None]:
    """Return only the fields that differ; if there is one description only, all its fields."""
    if before is None or after is None:
        return (
            None if before is None else dict(before),
            None if after is None else dict(after),
        )
    same = {key for key in before.keys() & after.keys() if before[key] == after[key]}
    return (
        {key: value for key, value in before.items() if key not in same},
        {key: value for key, value in after.items() if key not in same},
    )


def _personal_data(
    account_id: str, sequence: int, source: EntrySource
) -> list[PersonalData]:
    values = {
        PersonalData.Kind.IP: source.ip,
        PersonalData.Kind.EMAIL: source.email,
        PersonalData.Kind.USER_AGENT: source.user_agent,
    }
    return [
        PersonalData(
            account_id=account_id,
            sequence=sequence,
            kind=kind.value,
            salt=secrets.token_hex(SALT_BYTES),
            value=value[:MAX_PERSONAL_VALUE_LENGTH],
        )
        for kind, value in values.items()
        if value
    ]
