"""The trail in the admin: found, narrowed, paged without counting, and changed by nobody."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit import triggers
from accounts.audit.models import AuditEvent, ChainHead
from accounts.audit.record import Source
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, write
from tests.factories.accounts import UserFactory

EVENTS = reverse("admin:audit_auditevent_changelist")
CHAINS = reverse("admin:audit_chainhead_changelist")


@pytest.fixture
def ada(client, db):
    """The browser of Ada, one of the staff who is a Django superuser too."""
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def trail(db):
    """Acme enabled a product and was billed; an hour later Globex enabled one by token."""
    eve = Source("token", "token-eve", "Eve", "api", "request-two")
    write("acme", ENABLED, BILLED)
    write("globex", ENABLED, source=eve, at=NOON + timedelta(hours=1))


def shown(response):
    """Read the list: account and number of each row, in order."""
    assert response.status_code == 200
    cells = re.findall(
        r'field-account_id">(.*?)</td><td class="field-sequence">(.*?)<',
        response.content.decode(),
    )
    return [f"{account} {number}" for account, number in cells]


def link(response, rel):
    """Read the link to the next or the previous page."""
    return unescape(
        re.search(rf'<a href="([^"]*)" rel="{rel}"', response.content.decode())[1]
    )


def test_all_accounts_events_are_listed_newest_first(ada, trail):
    assert shown(ada.get(EVENTS)) == ["globex 1", "acme 2", "acme 1"]


@pytest.mark.parametrize(
    "query, found",
    [
        pytest.param("account=acme", ["acme 2", "acme 1"], id="account"),
        pytest.param("action=bill.changed", ["acme 2"], id="action"),
        pytest.param("actor=token-eve", ["globex 1"], id="actor by id"),
        pytest.param("actor=Sam", ["acme 2", "acme 1"], id="actor by name"),
        pytest.param("product=fanout", [], id="product"),
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
            "account=acme&action=product.enabled", ["acme 1"], id="two at once"
        ),
        pytest.param("q=request-two", ["globex 1"], id="search for a request"),
        pytest.param("q=acme", ["acme 2", "acme 1"], id="search for an account"),
        pytest.param("q=WebSockets", ["globex 1", "acme 1"], id="search for a name"),
        pytest.param(
            "q=WebSockets&account=acme", ["acme 1"], id="search within an account"
        ),
        pytest.param("q=nothing", [], id="search for nothing there"),
        pytest.param("since=yesterday", [], id="no date"),
        pytest.param("action=no.such", [], id="no such action"),
        pytest.param(
            "o=1", ["globex 1", "acme 2", "acme 1"], id="an order of one's own"
        ),
    ],
)
def test_the_list_is_narrowed(ada, trail, query, found):
    assert shown(ada.get(f"{EVENTS}?{query}")) == found


def test_a_filter_that_cannot_be_read_says_so(ada, trail):
    assert (
        "Enter a valid date." in ada.get(f"{EVENTS}?since=yesterday").content.decode()
    )


def test_pages_lead_to_the_oldest_event_and_back_without_counting(
    ada, django_assert_max_num_queries
):
    write("acme", *[ENABLED] * 120)

    with django_assert_max_num_queries(10) as asked:
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
    assert not [
        query for query in asked.captured_queries if "COUNT" in query["sql"].upper()
    ]
    assert not [
        query for query in asked.captured_queries if "DISTINCT" in query["sql"].upper()
    ]


def asked_of_the_trail(client):
    """Count what a list page asks of the trail's tables."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(EVENTS).status_code == 200
    return len([query for query in asked.captured_queries if "audit_" in query["sql"]])


def test_a_page_costs_one_query_however_many_events(ada, trail):
    few = asked_of_the_trail(ada)
    write("acme", *[ENABLED] * 60)
    many = asked_of_the_trail(ada)

    assert (few, many) == (1, 1)


@pytest.mark.parametrize("place", ["x", "2026-03-01_1", "2026-03-01T00:00:00Z_", "_1"])
def test_a_place_that_is_none_leads_to_the_beginning(ada, trail, place):
    response = ada.get(EVENTS, {"older": place})

    assert (response.status_code, response.url) == (302, f"{EVENTS}?e=1")


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
def test_an_index_answers_each_filter_in_order(trail, column, value):
    events = AuditEvent.objects.filter(**{column: value}).order_by("-at", "-id")[:51]

    plan = explained(events)

    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()


def explained(events):
    """Return the database's plan; a small table must not tempt PostgreSQL into reading it all."""
    with connection.cursor() as cursor:
        cursor.execute(QUIETLY[connection.vendor])
    return events.explain()


QUIETLY = {
    "sqlite": "SELECT 1",
    "postgresql": "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;",
}


def test_an_event_shows_before_and_after_side_by_side_and_where_it_came_from(
    ada, trail
):
    event = AuditEvent.objects.get(account_id="acme", sequence=1)

    page = ada.get(
        reverse("admin:audit_auditevent_change", args=[event.pk])
    ).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", unescape(page)))

    assert "Field Before After state disabled enabled" in text
    assert "Sam enabled a product" in text
    assert "Signed in by password , confirmed at 2026-03-01T11:58:00.000000Z" in text
    assert "ip 192.0.2.7" in text
    assert "email sam@acme.example" in text
    assert "Reason launch" in text
    assert "Row as written" in text
    assert event.canonical in unescape(page)


def test_an_altered_event_is_marked_on_its_page_and_in_the_list(ada, trail):
    triggers.remove(connection)
    event = AuditEvent.objects.get(account_id="acme", sequence=1)
    AuditEvent.objects.filter(pk=event.pk).update(outcome="refused")

    page = ada.get(
        reverse("admin:audit_auditevent_change", args=[event.pk])
    ).content.decode()
    rows = ada.get(EVENTS).content.decode()

    assert "ALTERED: its column outcome differs from its text." in page
    assert (rows.count(">ALTERED<"), rows.count(">as written<")) == (1, 2)


def test_the_list_of_one_account_tells_of_its_chain(ada, trail):
    page = ada.get(f"{EVENTS}?account=acme").content.decode()

    assert "Chain of acme: 2 events, the last at 2026-03-01 12:00:00 UTC." in page


def test_a_chain_is_verified_on_its_page(ada, trail):
    page = ada.get(
        reverse("admin:audit_chainhead_change", args=["acme"])
    ).content.decode()

    assert "Sound: 2 events verified. No checkpoint yet." in page


def test_a_broken_chain_is_named_on_its_page_with_its_first_bad_event(ada, trail):
    triggers.remove(connection)
    AuditEvent.objects.filter(account_id="acme", sequence=2).delete()

    page = ada.get(
        reverse("admin:audit_chainhead_change", args=["acme"])
    ).content.decode()

    assert "BROKEN at event 2: the event is missing at the end of the chain." in page
    assert "1 event before that verified." in page


def test_a_long_chain_is_verified_when_asked_for(ada, trail, monkeypatch):
    monkeypatch.setattr("accounts.audit.admin.VERIFIED_ON_SIGHT", 1)
    page = reverse("admin:audit_chainhead_change", args=["acme"])

    assert "Not verified yet: 2 events take a while." in ada.get(page).content.decode()
    assert "Sound: 2 events verified." in ada.get(f"{page}?verify=1").content.decode()


def test_chains_are_found_by_the_beginning_of_the_accounts_id(ada, trail):
    page = ada.get(f"{CHAINS}?q=glo").content.decode()

    assert ">globex<" in page
    assert ">acme<" not in page


@pytest.mark.parametrize("model", ["auditevent", "chainhead"])
def test_not_even_a_django_superuser_adds_changes_or_deletes(ada, trail, model):
    key = {"auditevent": AuditEvent, "chainhead": ChainHead}[model].objects.first().pk
    before = (list(AuditEvent.objects.values()), list(ChainHead.objects.values()))
    act = {"action": "delete_selected", "_selected_action": [key], "post": "yes"}

    answers = [
        ada.get(reverse(f"admin:audit_{model}_add")).status_code,
        ada.post(reverse(f"admin:audit_{model}_add"), {}).status_code,
        ada.post(
            reverse(f"admin:audit_{model}_change", args=[key]), {"sequence": 9}
        ).status_code,
        ada.get(reverse(f"admin:audit_{model}_delete", args=[key])).status_code,
        ada.post(
            reverse(f"admin:audit_{model}_delete", args=[key]), {"post": "yes"}
        ).status_code,
    ]
    ada.post(reverse(f"admin:audit_{model}_changelist"), act)

    assert answers == [403] * 5
    assert (
        list(AuditEvent.objects.values()),
        list(ChainHead.objects.values()),
    ) == before


def test_there_are_no_actions_to_choose(ada, trail):
    request = RequestFactory().get(EVENTS)
    request.user = UserFactory.create(is_staff=True, is_superuser=True)

    assert [
        admin.site._registry[model].get_actions(request)
        for model in (AuditEvent, ChainHead)
    ] == [
        {},
        {},
    ]


def test_personal_data_has_no_list_of_its_own():
    assert "PersonalData" not in {model.__name__ for model in admin.site._registry}


def test_staff_read_without_being_django_superusers(client, trail):
    client.force_login(UserFactory.create(is_staff=True))

    assert shown(client.get(EVENTS)) == ["globex 1", "acme 2", "acme 1"]


def test_a_customer_reads_nothing_here(client, trail):
    client.force_login(UserFactory.create())

    assert client.get(EVENTS).status_code in {302, 403}


def test_an_event_that_is_not_there_leads_back(ada, trail):
    assert (
        ada.get(reverse("admin:audit_auditevent_change", args=[10**9])).status_code
        == 302
    )
