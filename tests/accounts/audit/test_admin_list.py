"""The admin's list of entries: filtered, searched, and paged without counting."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.actor import ActorType, Interface
from accounts.audit.models import AuditEvent
from accounts.audit.record import EntrySource
from accounts.trail_search import find
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, SAM, write
from tests.factories.accounts import AccountFactory, UserFactory
from tests.query_plans import explained

EVENTS = reverse("admin:audit_auditevent_changelist")


def shown(response):
    """Read the list: account and number of each row, in order."""
    assert response.status_code == 200
    cells = re.findall(
        r'field-account">(?:<a [^>]*>)?(.*?)<.*?class="field-sequence">(.*?)<',
        response.content.decode(),
    )
    return [f"{account} {number}" for account, number in cells]


def link(response, rel):
    """Read the link to the next or the previous page."""
    [address] = re.findall(rf'<a href="([^"]*)" rel="{rel}"', response.content.decode())
    return unescape(address)


def test_the_entries_of_all_accounts_are_listed_newest_first(ada, trail):
    assert shown(ada.get(EVENTS)) == ["globex 1", "acme 2", "acme 1"]


@pytest.mark.parametrize(
    "query, found",
    [
        pytest.param("account=acme", ["acme 2", "acme 1"], id="account"),
        pytest.param("action=bill.changed", ["acme 2"], id="action"),
        pytest.param("actor=token-eve", ["globex 1"], id="actor by id"),
        pytest.param("actor=Sam", ["acme 2", "acme 1"], id="actor by name"),
        pytest.param("product=fanout", [], id="another product"),
        pytest.param(
            "product=WebSockets&account=acme",
            ["acme 2", "acme 1"],
            id="product by name",
        ),
        pytest.param("product=websock", [], id="not by its start"),
        pytest.param("service=s-1", [], id="service"),
        pytest.param("outcome=refused", [], id="outcome"),
        pytest.param("interface=api", ["globex 1"], id="interface"),
        pytest.param(
            "since=2026-03-01&until=2026-03-01",
            ["globex 1", "acme 2", "acme 1"],
            id="day",
        ),
        pytest.param("until=2026-02-28", [], id="before"),
        pytest.param("since=2026-03-02", [], id="after"),
        pytest.param(
            "account=acme&action=product.enabled", ["acme 1"], id="two filters"
        ),
        pytest.param("target=acme", ["acme 2"], id="target"),
        pytest.param(
            "target_type=product&target=websockets&account=acme",
            ["acme 1"],
            id="target of an account",
        ),
        pytest.param("since=yesterday", [], id="no date"),
        pytest.param("action=no.such", [], id="no such action"),
        pytest.param(
            "o=1", ["globex 1", "acme 2", "acme 1"], id="an order of one's own"
        ),
    ],
)
def test_the_list_is_filtered(ada, trail, query, found):
    assert shown(ada.get(f"{EVENTS}?{query}")) == found


@pytest.mark.parametrize(
    "typed, found",
    [
        pytest.param("request-two", ["globex 1"], id="request"),
        pytest.param("request-", ["globex 1", "acme 2", "acme 1"], id="its start"),
        pytest.param("req", [], id="too short a start of a request"),
        pytest.param("ACME", ["acme 2", "acme 1"], id="account's id"),
        pytest.param("sam os", ["acme 2", "acme 1"], id="actor's name"),
        pytest.param("OSEI", ["acme 2", "acme 1"], id="a later word of a name"),
        pytest.param("token-e", ["globex 1"], id="actor's id"),
        pytest.param("websock", ["globex 1", "acme 2", "acme 1"], id="product's name"),
        pytest.param("bill.ch", ["acme 2"], id="event"),
        pytest.param("Enabled a product", ["globex 1", "acme 1"], id="event in words"),
        pytest.param("192.0.2.7", ["acme 2", "acme 1"], id="address"),
        pytest.param("192.0.", ["acme 2", "acme 1"], id="start of an address"),
        pytest.param("192.0.2.8", [], id="another address"),
        pytest.param("sam@acme.ex", ["acme 2", "acme 1"], id="email of a user"),
        pytest.param("  sam   osei ", ["acme 2", "acme 1"], id="spaces"),
        pytest.param("am", [], id="the middle of a word"),
        pytest.param("100%", [], id="no pattern"),
        pytest.param("_am", [], id="no wildcard"),
        pytest.param("nothing", [], id="nothing there"),
    ],
)
def test_staff_search_by_the_start_of_what_a_customer_tells_them(ada, typed, found):
    sam = replace(SAM, actor_label="Sam Osei", actor_id="sam-id")
    eve = EntrySource(ActorType.TOKEN, "token-eve", "Eve", Interface.API, "request-two")
    UserFactory.create(pk="sam-id", email="sam@acme.example", name="Sam Osei")
    write("acme", ENABLED, BILLED, source=sam)
    write("globex", ENABLED, source=eve, at=NOON + timedelta(hours=1))

    assert shown(ada.get(EVENTS, {"q": typed})) == found


def test_the_start_of_an_address_finds_each_address_once(ada):
    addresses = ("192.0.2.1", "192.0.2.10", "192.0.2.1", "192.0.20.1", "198.51.100.1")
    for number, ip in enumerate(addresses):
        at = NOON + timedelta(minutes=number)
        write("acme", ENABLED, source=replace(SAM, ip=ip), at=at)

    assert len(find("192.0.2").conditions) == 3
    assert shown(ada.get(f"{EVENTS}?q=192.0.2")) == [f"acme {n}" for n in (4, 3, 2, 1)]
    assert shown(ada.get(f"{EVENTS}?q=192.0.2.1")) == ["acme 3", "acme 1"]


def test_an_account_is_found_by_the_start_of_each_word_of_its_name(ada):
    account = AccountFactory.create(name="Initech Holding")
    write(account.pk)

    rows = [ada.get(EVENTS, {"q": word}) for word in ("init", "HOLD", "tech")]

    assert [shown(row) for row in rows] == [["Initech Holding 1"]] * 2 + [[]]


def test_a_search_is_combined_with_the_filters(ada, trail):
    assert shown(ada.get(f"{EVENTS}?q=websockets&account=globex")) == ["globex 1"]


def test_a_search_for_too_many_names_says_so(ada):
    for number in range(30):
        write("acme", replace(ENABLED, target_id=f"id-{number:02}", target_label=""))

    page = ada.get(f"{EVENTS}?q=id-").content.decode()

    assert "Type more of it." in page
    assert "Type more of it." not in ada.get(f"{EVENTS}?q=id-07").content.decode()


def test_a_search_makes_a_fixed_number_of_queries(ada, trail):
    ada.get(EVENTS)  # noted once in 15 minutes
    few = asked_of_the_trail(ada, "?q=websockets")
    write("acme", *[ENABLED] * 60)

    assert asked_of_the_trail(ada, "?q=websockets") == few


def test_a_search_for_a_version_finds_the_older_form_of_its_id_too(ada):
    version = replace(ENABLED, target_type="version", service_id="svc")
    write("acme", replace(version, target_id="2"), replace(version, target_id="svc/2"))

    assert shown(ada.get(f"{EVENTS}?q=svc/2")) == ["acme 2", "acme 1"]


def test_an_invalid_filter_is_reported(ada, trail):
    assert (
        "Enter a valid date." in ada.get(f"{EVENTS}?since=yesterday").content.decode()
    )


def test_pages_lead_to_the_oldest_entry_and_back_without_counting(
    ada, django_assert_max_num_queries
):
    write("acme", *[ENABLED] * 120)

    ada.get(EVENTS)  # noted once in 15 minutes
    with django_assert_max_num_queries(30) as asked:
        newest = ada.get(f"{EVENTS}?q=acme")
    middle = ada.get(EVENTS + link(newest, "next"))
    oldest = ada.get(EVENTS + link(middle, "next"))
    middle_again = ada.get(EVENTS + link(oldest, "prev"))

    assert shown(newest) == [f"acme {number}" for number in range(120, 70, -1)]
    assert (
        shown(middle)
        == shown(middle_again)
        == [f"acme {number}" for number in range(70, 20, -1)]
    )
    assert shown(oldest) == [f"acme {number}" for number in range(20, 0, -1)]
    assert not [text for text in texts(asked) if "COUNT" in text.upper()]
    assert not [text for text in texts(asked) if "DISTINCT" in text.upper()]


def texts(asked):
    """Return the queries; PostgreSQL's prepared statements, which pages share, have no text."""
    return [query["sql"] for query in asked.captured_queries if query["sql"]]


NOTED = 1  # the query that finds whether this view is noted already


def asked_of_the_trail(client, query=""):
    """Count what a list page asks of the trail's tables."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(EVENTS + query).status_code == 200
    return len([text for text in texts(asked) if "audit_" in text])


def test_a_page_takes_one_query_for_any_number_of_entries(ada, trail):
    ada.get(EVENTS)  # noted once in 15 minutes
    few = asked_of_the_trail(ada) - NOTED
    write("acme", *[ENABLED] * 60)
    many = asked_of_the_trail(ada) - NOTED

    assert (few, many) == (1, 1)


@pytest.mark.parametrize("place", ["x", "2026-03-01_1", "2026-03-01T00:00:00Z_", "_1"])
def test_an_invalid_cursor_does_not_show_the_whole_list(ada, trail, place):
    assert ada.get(EVENTS, {"older": place}).status_code == 400


@pytest.mark.parametrize(
    "column, value",
    [
        pytest.param("account_id", "acme", id="account"),
        pytest.param("action", "bill.changed", id="action"),
        pytest.param("product", "websockets", id="product"),
        pytest.param("service_id", "s-1", id="service"),
        pytest.param("outcome", "refused", id="outcome"),
    ],
)
def test_every_filter_uses_an_index(trail, column, value):
    events = AuditEvent.objects.filter(**{column: value}).order_by("-at", "-id")[:51]

    plan = explained(events)

    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()
