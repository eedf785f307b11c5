"""Appending entries: the body, its copies, the head, the personal data."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from django.db import IntegrityError, transaction

from accounts.audit.chain import GENESIS, event_hash
from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.audit.queries import personal_data_of, verify
from accounts.audit.record import EntrySource, NewEntry, append, lock_head
from accounts.audit.vocabulary import Event
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, SAM, write

pytestmark = pytest.mark.django_db


def test_the_body_contains_every_field():
    [event] = write()

    body = json.loads(event.canonical)
    commitments = body.pop("pii")

    assert sorted(commitments) == ["email", "ip", "user_agent"]
    assert body == {
        "v": 1,
        "account": "acme",
        "seq": 1,
        "at": "2026-03-01T12:00:00.000250Z",
        "action": "product.enabled",
        "actor": {"type": "user", "id": "user-sam", "label": "Sam"},
        "on_behalf_of": "",
        "auth": {"method": "password", "reauth_at": "2026-03-01T11:58:00.000000Z"},
        "interface": "web",
        "request_id": "request-one",
        "target": {"type": "product", "id": "websockets", "label": "WebSockets"},
        "product": "websockets",
        "service_id": "",
        "cause": "",
        "reason": "launch",
        "before": {"state": "disabled"},
        "after": {"state": "enabled"},
        "outcome": "done",
        "agreed_text_hash": "f" * 64,
    }


def test_the_columns_copy_the_body():
    write("acme", ENABLED)

    event = AuditEvent.objects.get()

    assert (event.account_id, event.sequence, event.at) == ("acme", 1, NOON)
    assert (event.action, event.outcome, event.interface) == (
        "product.enabled",
        "done",
        "web",
    )
    assert (event.actor_type, event.actor_id, event.actor_label) == (
        "user",
        "user-sam",
        "Sam",
    )
    assert (event.target_type, event.target_id) == ("product", "websockets")
    assert (event.target_label, event.product, event.service_id) == (
        "WebSockets",
        "websockets",
        "",
    )
    assert event.request_id == "request-one"
    assert event.description == "enabled a product"
    assert event.fastly_type == "customer_feature.create"


def test_entries_are_chained_in_order_and_the_head_follows():
    enabled, billed = write("acme", ENABLED, BILLED)

    head = ChainHead.objects.get()

    assert enabled.prev_hash == GENESIS
    assert enabled.event_hash == event_hash(GENESIS, enabled.canonical)
    assert billed.prev_hash == enabled.event_hash
    assert (billed.sequence, billed.event_hash) == (head.sequence, head.event_hash)
    assert head.at == NOON


def test_each_account_has_its_own_chain():
    write("acme")
    [event] = write("globex")

    assert (event.sequence, event.prev_hash) == (1, GENESIS)


def test_personal_data_is_outside_the_chain_and_can_be_erased():
    [event] = write()
    held = PersonalData.objects.get(kind="ip")
    committed = json.loads(event.canonical)["pii"]["ip"]

    assert personal_data_of(event) == {
        "email": "sam@acme.example",
        "ip": "192.0.2.7",
        "user_agent": "Firefox",
    }
    assert "192.0.2.7" not in event.canonical
    assert committed == sha256(bytes.fromhex(held.salt) + b"192.0.2.7").hexdigest()
    assert len(bytes.fromhex(held.salt)) == 16

    PersonalData.objects.all().delete()

    assert verify("acme").is_valid


def test_two_entries_from_one_address_have_different_commitments():
    first, second = write("acme", ENABLED, BILLED)

    assert (
        json.loads(first.canonical)["pii"]["ip"]
        != json.loads(second.canonical)["pii"]["ip"]
    )


def test_time_never_decreases_within_a_chain():
    write(at=NOON)
    [late] = write(at=NOON - timedelta(seconds=3))
    [elsewhere] = write("globex", at=NOON - timedelta(seconds=3))

    assert late.at == NOON
    assert late.body["clock"] == "2026-03-01T11:59:57.000250Z"
    assert late.wrong_clock == NOON - timedelta(seconds=3)
    assert elsewhere.wrong_clock is None
    assert "clock" not in elsewhere.body
    assert elsewhere.at == NOON - timedelta(seconds=3)
    assert verify("acme").is_valid


def test_a_clock_that_is_a_little_behind_is_kept_and_not_reported():
    write(at=NOON)
    [late] = write(at=NOON - timedelta(seconds=2))

    assert late.body["clock"] == "2026-03-01T11:59:58.000250Z"
    assert late.wrong_clock is None


def test_a_creation_keeps_all_its_fields():
    [event] = write("acme", BILLED)

    assert [(c.field, c.before, c.after) for c in event.changes] == [
        ("price", "", '{"amount": "0.60", "currency": "USD"}')
    ]


def test_long_labels_and_headers_are_cut_and_the_chain_stays_valid():
    source = EntrySource(
        "user", "user-sam", "S" * 300, "web", "r" * 100, user_agent="u" * 5000
    )
    entry = NewEntry(Event.SERVICE_CREATED, "service", "s-1", target_label="é" * 300)

    write("acme", entry, source=source)
    event = AuditEvent.objects.get()

    assert (len(event.actor_label), len(event.target_label)) == (255, 255)
    assert (len(event.request_id), len(personal_data_of(event)["user_agent"])) == (
        64,
        1000,
    )
    assert verify("acme").is_valid


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(0.1, id="a float"),
        pytest.param(datetime(2026, 1, 1, tzinfo=UTC), id="a time"),
        pytest.param(ChainHead(account_id="x"), id="a model instance"),
        pytest.param((1, 2), id="a tuple"),
    ],
)
def test_an_entry_without_a_canonical_form_is_refused(value):
    entry = NewEntry(Event.SERVICE_CREATED, "service", "s-1", after={"value": value})

    with pytest.raises(ValueError, match="cannot be written canonically"):
        write("acme", entry)

    assert AuditEvent.objects.count() == 0
    assert PersonalData.objects.count() == 0
    assert ChainHead.objects.count() == 0


def test_appending_no_entries_is_refused():
    with pytest.raises(ValueError, match="nothing to append"), transaction.atomic():
        append(lock_head("acme"), [], source=SAM, at=NOON)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            EntrySource("robot", "r", "R", "web", ""), id="unknown type of actor"
        ),
        pytest.param(
            EntrySource("user", "u", "U", "telnet", ""), id="unknown interface"
        ),
    ],
)
def test_an_unknown_actor_type_or_interface_is_refused(source):
    with pytest.raises(IntegrityError):
        write("acme", ENABLED, source=source)

    assert AuditEvent.objects.count() == 0


def test_nothing_is_appended_after_a_head_that_was_set_back():
    write()
    ChainHead.objects.update(sequence=0, event_hash=GENESIS)

    with pytest.raises(IntegrityError):
        write()

    assert AuditEvent.objects.count() == 1
