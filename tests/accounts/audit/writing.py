"""Entries and sources for tests of the audit trail, and a function that appends them."""

from datetime import UTC, datetime

from django.db import transaction

from accounts.actor import ActorType, Interface
from accounts.audit.record import EntrySource, NewEntry, append, index_terms, lock_head
from accounts.audit.vocabulary import Event

NOON = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
SAM = EntrySource(
    actor_type=ActorType.USER,
    actor_id="user-sam",
    actor_label="Sam",
    interface=Interface.WEB,
    request_id="request-one",
    auth_method="password",
    reauth_at=datetime(2026, 3, 1, 11, 58, tzinfo=UTC),
    ip="192.0.2.7",
    email="sam@acme.example",
    user_agent="Firefox",
)
ENABLED = NewEntry(
    event=Event.PRODUCT_ENABLED,
    target_type="product",
    target_id="websockets",
    target_label="WebSockets",
    product="websockets",
    before={"state": "disabled", "plan": "standard"},
    after={"state": "enabled", "plan": "standard"},
    reason="launch",
    agreed_text_hash="f" * 64,
)
BILLED = NewEntry(
    event=Event.BILL_CHANGED,
    target_type="account",
    target_id="acme",
    target_label="Acme",
    product="websockets",
    after={"price": {"amount": "0.60", "currency": "USD"}},
)


def write(account_id="acme", *entries, source=SAM, at=NOON):
    """Append entries in a transaction, as recorded_change does; by default one of a product."""
    with transaction.atomic():
        head = lock_head(account_id)
        events = append(head, entries or (ENABLED,), source=source, at=at)
        index_terms(events)
    return events
