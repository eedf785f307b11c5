"""Reading a trail page by page, and verifying a valid chain."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.audit import queries
from accounts.audit.models import AuditEvent, ChainHead, PersonalData
from accounts.audit.queries import (
    Filters,
    VerificationResult,
    accounts_with_trail,
    event_of,
    row_fault,
    trail_of,
    verify,
)
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, write

pytestmark = pytest.mark.django_db


def numbers(events):
    return [event.sequence for event in events]


@pytest.fixture
def seven():
    """A trail of seven events, of which each second one changes the bill."""
    write("acme", ENABLED, BILLED, ENABLED, BILLED, ENABLED, BILLED)
    write("acme", ENABLED, at=NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    "filters, found",
    [
        pytest.param(Filters(action="bill.changed"), [6, 4, 2], id="by action"),
        pytest.param(Filters(target_id="acme"), [6, 4, 2], id="by target"),
        pytest.param(
            Filters(product="websockets"), [7, 6, 5, 4, 3, 2, 1], id="by product"
        ),
        pytest.param(
            Filters(actor_id="user-eve"), [], id="by an actor without entries"
        ),
        pytest.param(Filters(outcome="refused"), [], id="by outcome"),
        pytest.param(Filters(service_id="s"), [], id="by service"),
        pytest.param(
            Filters(since=NOON + timedelta(hours=1)), [7], id="since, inclusive"
        ),
        pytest.param(
            Filters(until=NOON + timedelta(hours=1)),
            [6, 5, 4, 3, 2, 1],
            id="until, exclusive",
        ),
        pytest.param(
            Filters(action="bill.changed", until=NOON), [], id="by two filters"
        ),
    ],
)
def test_a_trail_is_filtered(seven, filters, found):
    assert numbers(trail_of("acme", filters)) == found


@pytest.mark.parametrize(
    ("target_id", "found"),
    [
        ("svc/2", ["svc/2", "2"]),
        ("svc/2/vcl/a/main", ["svc/2/vcl/a/main", "a/main"]),
        ("svc/3", []),
        ("2", ["2", "2"]),
    ],
)
def test_a_version_or_part_is_found_by_its_id_in_both_forms(target_id, found):
    """Older entries have the last of the id alone, and the service beside it."""
    version = replace(ENABLED, target_type="version", service_id="svc", product="")
    part = replace(version, target_type="vcl", target_label="a/main in version 2")
    write(
        "acme",
        replace(part, target_id="a/main"),
        replace(part, target_id="svc/2/vcl/a/main", target_label="a/main"),
        replace(part, target_id="a/main", target_label="a/main in version 3"),
        replace(version, target_id="2", service_id="other"),
        replace(version, target_id="2"),
        replace(version, target_id="svc/2"),
    )

    events = trail_of("acme", Filters(target_id=target_id))

    assert [event.target_id for event in events] == found


def test_a_trail_contains_only_the_entries_of_its_account(seven):
    write("globex")

    assert numbers(trail_of("globex")) == [1]
    assert event_of("globex", 2) is None
    assert event_of("acme", 2).action == "bill.changed"


def test_every_account_with_entries_or_a_head_has_a_trail(seven):
    write("platform")
    ChainHead.objects.filter(account_id="acme").delete()
    ChainHead.objects.create(account_id="empty", event_hash="0" * 64)

    assert accounts_with_trail() == ["acme", "empty", "platform"]


def test_an_unchanged_chain_is_valid(seven):
    assert verify("acme") == VerificationResult("acme", is_valid=True, checked=7)
    assert [row_fault(event) for event in AuditEvent.objects.all()] == [""] * 7


def test_an_empty_chain_is_valid():
    assert verify("unknown") == VerificationResult("unknown", is_valid=True, checked=0)


def test_a_chain_is_verified_with_short_queries(seven, monkeypatch):
    monkeypatch.setattr(queries, "VERIFIED_AT_ONCE", 2)
    with CaptureQueriesContext(connection) as captured:
        result = verify("acme")

    texts = [each["sql"] for each in captured if '"canonical"' in each["sql"]]
    assert result == VerificationResult("acme", is_valid=True, checked=7)
    assert sum(sql.endswith(" LIMIT 2") for sql in texts) == 4


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_personal_value_is_verified_wherever_a_query_ends(seven, monkeypatch, number):
    monkeypatch.setattr(queries, "VERIFIED_AT_ONCE", 2)
    values = PersonalData.objects.filter(account_id="acme", sequence=number)
    assert values.update(value="another") > 0

    assert verify("acme").first_invalid == number


def test_verifying_takes_few_queries(seven, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        verify("acme")
