"""Appends to an account's chain; for the door `accounts/change.py` alone."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.actor import ActorType, Interface
from accounts.audit.chain import GENESIS, canonical, commitment, event_hash
from accounts.audit.entry_body import COPIED, VERSION, copies, timestamp
from accounts.audit.models import MAX_LABEL_LENGTH, AuditEvent, ChainHead, PersonalData
from accounts.audit.vocabulary import Event, Outcome

SALT_BYTES = 16
# A request id comes from a proxy and a user agent from a stranger; neither may fill the table.
MAX_REQUEST_ID_LENGTH = 64
MAX_PERSONAL_VALUE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a command notes: an event, on what, and the changed fields before and after."""

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
    """Who did it and from where."""

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


def lock_head(account_id: str) -> ChainHead:
    """Lock the end of an account's chain until the transaction ends; begins the chain where there is none.

    Raises TransactionManagementError outside a transaction.
    """
    heads = ChainHead.objects.select_for_update()
    head = heads.filter(pk=account_id).first()
    if head is None:
        # Two transactions may begin a chain at once; the second waits here for the first to end.
        ChainHead.objects.bulk_create(
            [ChainHead(account_id=account_id, event_hash=GENESIS)],
            ignore_conflicts=True,
        )
        head = heads.get(pk=account_id)
    return head


def append(
    account_id: str, entries: Sequence[NewEntry], *, source: EntrySource, at: datetime
) -> list[AuditEvent]:
    """Append entries to an account's chain, in order, inside the caller's transaction.

    Raises ValueError for no entries and for values that have no canonical form (floats, times,
    model instances), and IntegrityError where the chain does not end where its head says.
    """
    if not entries:
        raise ValueError("nothing to append")
    head = lock_head(account_id)
    # Clocks of two processes differ and requests overtake each other. Within a chain time never
    # runs backwards, so that its order is one order, by number and by time alike.
    at = max(at, head.at or at)
    events: list[AuditEvent] = []
    personal: list[PersonalData] = []
    for entry in entries:
        values = _personal_data(account_id, head.sequence + 1, source)
        event = _event(head, entry, source=source, at=at, personal=values)
        head.sequence, head.event_hash, head.at = event.sequence, event.event_hash, at
        events.append(event)
        personal.extend(values)
    AuditEvent.objects.bulk_create(events)
    PersonalData.objects.bulk_create(personal)
    head.save(update_fields=["sequence", "event_hash", "at"])
    return events


def _event(
    head: ChainHead,
    entry: NewEntry,
    *,
    source: EntrySource,
    at: datetime,
    personal: Sequence[PersonalData],
) -> AuditEvent:
    body = _body(head, entry, source=source, at=at) | {
        "pii": {
            each.kind: commitment(bytes.fromhex(each.salt), each.value)
            for each in personal
        }
    }
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
    """Keep of two descriptions only what differs; one of them alone is kept whole."""
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
