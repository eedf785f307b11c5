"""The search over everything: what is found, by whom, and where it leads."""

from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.commands.profiles import rename_account
from accounts.commands.tokens import issue_token
from products.domains.models import ActiveDomain
from tests.factories import NOW
from tests.factories.domains import claimed
from tests.factories.invoices import invoice
from tests.factories.services import ServiceFactory, live_version
from tests.factories.webhooks import WebhookFactory
from tests.products.web.conftest import text_of


@pytest.fixture
def acme_things(acme, sam, eve, una, lin, bo, shop, echo):
    """Return the ids of things of Acme, all with `a` in their names."""
    live_version(echo, "app.example.com")
    ActiveDomain.objects.create(name="app.example.com", service=echo)
    claim = claimed(acme, "acme.example")
    hook = WebhookFactory.create(account=acme, url="https://a.example/hook")
    token = issue_token(
        eve,
        name="access",
        scope="global",
        services=[],
        expires_at=NOW + timedelta(days=30),
        now=NOW,
    ).token
    return {
        "service": shop.pk,
        "claim": claim.pk,
        "webhook": hook.pk,
        "token": token.pk,
        "member": acme.memberships.get(user_id=una.user_id).pk,
    }


def titles(page):
    return [group.title for group in page.context["groups"]]


@pytest.mark.parametrize(
    ("who", "found"),
    [
        (
            "sam",
            ["Active domains", "Domain claims", "Members", "API tokens", "Webhooks"],
        ),
        ("eve", ["Active domains", "Domain claims", "Members", "API tokens"]),
        ("una", ["Active domains", "Domain claims", "Members"]),
        ("lin", ["Domain claims", "Members"]),
        ("stan", ["Members"]),
    ],
)
def test_each_person_finds_what_they_may_see(request, browser, acme_things, who, found):
    page = browser(request.getfixturevalue(who)).get("/search/?q=A")

    assert [title for title in titles(page) if title != "Services"] == found


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("service", "Services"),
        ("claim", "Domain claims"),
        ("member", "Members"),
        ("token", "API tokens"),
        ("webhook", "Webhooks"),
    ],
)
def test_an_id_finds_what_it_names(browser, sam, acme_things, kind, title):
    page = browser(sam).get("/search/", {"q": acme_things[kind]})

    assert titles(page) == [title]
    assert page.context["total"] == 1


@pytest.mark.parametrize("typed", ["#1", "1", "0000000000000000000001", "{request}"])
def test_an_entry_is_found_by_its_number_and_by_its_request(browser, sam, acme, typed):
    rename_account(sam, account=acme, name="Acme Ltd", now=NOW)
    entry = AuditEvent.objects.get(account_id=acme.pk, sequence=1)

    page = browser(sam).get("/search/", {"q": typed.format(request=entry.request_id)})

    assert titles(page) == ["Entries in Activity"]
    [hit] = page.context["groups"][0].hits
    assert hit.label == "Sam renamed the account from Acme to Acme Ltd"
    assert hit.url == reverse("activity_entry", args=[1])


@pytest.mark.parametrize("typed", ["INV-000007", "000007", "2026-10"])
def test_an_invoice_is_found_by_its_number_and_month_by_who_sees_costs(
    browser, bo, eve, acme, typed
):
    invoice(acme, "2026-10", "INV-000007")

    page = browser(bo).get("/search/", {"q": typed})

    assert titles(page) == ["Invoices"]
    [hit] = page.context["groups"][0].hits
    assert (hit.label, hit.detail) == ("October 2026, INV-000007", "Final")
    assert hit.url == reverse("invoice", args=["INV-000007"])
    assert titles(browser(eve).get("/search/", {"q": typed})) == []


def test_only_who_reads_the_trail_of_the_account_finds_its_entries(
    browser, sam, eve, stan, acme
):
    rename_account(sam, account=acme, name="Ltd", now=NOW)

    assert titles(browser(eve).get("/search/?q=%231")) == []
    assert titles(browser(stan).get("/search/?q=%231")) == []
    assert titles(browser(sam).get("/search/?q=%231234")) == []


def test_a_domain_leads_to_its_service(browser, una, acme_things, echo):
    page = browser(una).get("/search/?q=APP.example")

    assert titles(page) == ["Services", "Active domains"]
    assert page.content.count(reverse("service", args=[echo.pk]).encode()) == 2


def test_the_first_of_many_are_shown_with_a_link_to_all(browser, sam, acme):
    for number in range(7):
        ServiceFactory.create(account=acme, name=f"zone-{number}")

    page = browser(sam).get("/search/?q=zone")

    assert "7 results for “zone”" in text_of(page)
    assert b'href="/services/?q=zone"' in page.content
    assert b"zone-4" in page.content
    assert b"zone-5" not in page.content


def test_an_empty_search_and_one_without_results_say_what_to_do(browser, sam, acme):
    client = browser(sam)

    assert "by a part of their name, or by their ID" in text_of(client.get("/search/"))
    assert "Nothing found" in text_of(client.get("/search/?q=nothing"))
