"""`/api/v1/trail`: the whole trail in order, and where to continue."""

import json

import pytest

from accounts.audit.chain import canonical
from accounts.audit.models import AuditEvent
from accounts.audit.names import names_in
from accounts.audit.sentences import sentence_of
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.roles import Permission
from tests.factories import NOW
from tests.factories.keys import client_of


@pytest.fixture
def trail(sam, acme):
    """Note three events, also one that Fastly has no type for."""
    for event in (
        Event.VERSION_CREATED,
        Event.PRODUCT_REQUESTED,
        Event.VERSION_LOCKED,
    ):
        with recorded_change(sam, Permission.ACCOUNT_READ, on=acme, now=NOW) as noted:
            noted.note(event, target=("version", "S/1", "1"), after={"locked": True})


def sequences(answer):
    return [row["sequence"] for row in answer.json()["data"]]


def test_an_entry_has_its_hashes_and_the_fields_of_the_hashed_text(sam, trail):
    answer = client_of(sam).get("/api/v1/trail?after=1&limit=1")

    (entry,) = answer.json()["data"]
    row = AuditEvent.objects.get(sequence=2)
    beside = ("sequence", "event_hash", "prev_hash", "sentence")
    assert {key: entry.pop(key) for key in beside} == {
        "sequence": 2,
        "event_hash": row.event_hash,
        "prev_hash": row.prev_hash,
        "sentence": str(sentence_of(row, names_in([row]))),
    }
    assert entry == json.loads(row.canonical)
    assert canonical(entry) == row.canonical
    assert entry["action"] == "product.requested"


def test_a_reader_follows_next_until_it_is_empty(sam, trail):
    api = client_of(sam)

    first = api.get("/api/v1/trail?limit=2")
    second = api.get(first.json()["meta"]["next"])
    end = api.get("/api/v1/trail?after=3")

    assert (sequences(first), sequences(second), sequences(end)) == ([1, 2], [3], [])
    assert second.json()["meta"] == end.json()["meta"] == {"next": ""}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        (f"after={2**63}", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
    ],
)
def test_an_invalid_query_is_refused_with_the_field(sam, trail, query, field):
    answer = client_of(sam).get(f"/api/v1/trail?{query}")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [each["field"] for each in answer.json()["fields"]] == [field]


def test_another_account_s_entries_are_not_in_it(stan, trail):
    assert sequences(client_of(stan).get("/api/v1/trail")) == []


def test_who_may_not_read_the_trail_gets_the_reason_as_problem_details(eve, trail):
    answer = client_of(eve).get("/api/v1/trail")

    assert (answer.status_code, answer.headers["Content-Type"]) == (
        403,
        "application/problem+json",
    )
    assert answer.json() == {
        "type": "about:blank",
        "title": "You are not authorized to perform this action",
        "status": 403,
        "detail": "Your role is engineer. Superusers can read the audit trail.",
        "code": "forbidden",
    }


def test_a_token_limited_to_services_reads_only_their_entries(sam, acme, shop, trail):
    with recorded_change(sam, Permission.ACCOUNT_READ, on=acme, now=NOW) as noted:
        for number, service in enumerate((shop.pk, "another")):
            target = ("version", f"{service}/{number}", "1")
            noted.note(Event.VERSION_LOCKED, target=target, service_id=service)
    api = client_of(sam, services=(shop.pk,))

    answer = api.get("/api/v1/trail?limit=1")

    assert [row["service_id"] for row in answer.json()["data"]] == [shop.pk]
    assert answer.json()["meta"]["next"] == ""
