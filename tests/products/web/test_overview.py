"""Home and Entitlements: the account, and what each role reads about it."""

import re

import pytest
from django.db import transaction
from django.urls import reverse

from accounts.audit.record import NewEntry, append, lock_head
from accounts.audit.vocabulary import Event
from accounts.change import entry_source
from accounts.commands.sign_in import note_login
from products.enablement.models import Enablement
from tests.factories import NOW
from tests.factories.enablement import block_by_budget
from tests.factories.services import BackendFactory, ServiceFactory, VersionFactory
from tests.products.web.conftest import queries_of, text_of

PAGES = pytest.mark.parametrize("page", ["/", "/entitlements/"])


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("sam", "Your role is superuser : you can enable products, manage members"),
        ("eve", "Your role is engineer : you can deploy services; you can't enable"),
        ("lin", "Your role is engineer : you can deploy services; you can't enable"),
        ("bo", "Your role is billing : you can see costs and invoices"),
        ("una", "Your role is user : you can view services and usage"),
    ],
)
def test_home_names_the_role_and_its_abilities(
    request, browser, websockets, who, words
):
    assert words in text_of(browser(request.getfixturevalue(who)).get("/"))


def test_home_names_what_needs_attention(browser, eve, switched_on, draft):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")

    page = text_of(browser(eve).get("/"))

    assert "Version 1 of echo can't be deployed: Backend far uses the shield" in page


def test_home_checks_the_newest_version(browser, eve, switched_on, draft):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")
    VersionFactory.create(service=switched_on, number=2)

    page = text_of(browser(eve).get("/"))

    assert "can't be deployed" not in page
    assert "Version 2 of echo has no domain and no backend." in page


def test_a_superuser_sees_the_requests(browser, sam, eve, echo, websockets):
    browser(eve).post("/products/websockets/request/", {"note": "For the chat"})

    mine = text_of(browser(sam).get("/"))
    own = text_of(browser(eve).get("/"))

    assert "Eve requested WebSockets: “For the chat” Review request" in mine
    assert "You requested WebSockets: “For the chat” View request" in own


@pytest.mark.parametrize(
    ("who", "shown"), [("sam", True), ("eve", False), ("bo", False)]
)
def test_only_members_who_can_read_the_trail_see_its_latest_entries(
    request, browser, enabled, who, shown
):
    page = text_of(browser(request.getfixturevalue(who)).get("/"))

    assert ("Latest activity" in page) is shown


def test_home_shows_an_event_of_a_newer_version_of_the_code(browser, sam, acme):
    entry = NewEntry(
        "product.paused", "product", "websockets", target_label="WebSockets"
    )
    source = entry_source(sam)
    with transaction.atomic():
        append(lock_head(acme.pk), [entry], source=source, at=NOW)

    assert "Sam product.paused: WebSockets" in text_of(browser(sam).get("/"))


def test_the_latest_entries_do_not_name_the_actor_twice(
    browser, acme, sam, enabled, now
):
    membership = acme.memberships.get(user_id=sam.user_id)
    note_login(sam, user=membership.user, event=Event.USER_LOGGED_IN, now=now)

    page = text_of(browser(sam).get("/"))

    assert "Sam enabled WebSockets" in page
    assert "Sam signed in" in page
    assert "Sam signed in: Sam" not in page


@PAGES
def test_the_number_of_queries_does_not_depend_on_the_services(
    browser, sam, acme, switched_on, draft, page
):
    client = browser(sam)
    ServiceFactory.create(account=acme, name="another")  # a single one is chosen
    alone = queries_of(client, page)
    for number in range(3):
        service = ServiceFactory.create(account=acme, name=f"more-{number}")
        VersionFactory.create(service=service)
        service.products.create(product_id="websockets", starts_at=service.created_at)

    assert queries_of(client, page) == alone


@PAGES
def test_a_member_sees_nothing_of_another_account(browser, stan, switched_on, page):
    words = text_of(browser(stan).get(page))

    assert "echo" not in words
    assert "Sam" not in words


def test_entitlements_link_to_the_checks(browser, eve, switched_on, draft):
    VersionFactory.create(service=switched_on, number=2)

    answer = browser(eve).get("/entitlements/")

    link = reverse("why", args=[switched_on.pk, 2])
    checks = f'<a href="{link}">All checks of echo, version 2</a>'
    assert checks in answer.content.decode()
    assert "Your role is engineer. You can see 1 service." in text_of(answer)
    assert "Switch on and deploy" in text_of(answer)


def test_a_service_without_versions_has_no_link_to_checks(browser, eve, switched_on):
    answer = browser(eve).get("/entitlements/")

    assert b"/why/" not in answer.content


@pytest.mark.parametrize(
    ("who", "shown"), [("sam", True), ("bo", True), ("eve", False), ("una", False)]
)
def test_prices_are_shown_to_members_who_can_read_costs(
    request, browser, websockets, who, shown
):
    page = text_of(browser(request.getfixturevalue(who)).get("/entitlements/"))

    assert ("From 0.40 USD per million connection minutes" in page) is shown


def test_a_missing_permission_has_its_reason(browser, sam, una, echo, websockets):
    page = text_of(browser(una).get("/entitlements/"))

    assert "WebSockets Disabled Why? Off by default." in page
    assert "Superusers can enable it on the Products page: Sam." in page
    assert "Your role is user" in page


def test_a_product_that_conflicts_with_another_says_so(browser, eve, switched_on):
    page = text_of(browser(eve).get("/entitlements/"))

    assert "Conflict" in page
    assert "WebSockets and the Next-Gen WAF can't be on for the same service." in page


def test_a_switch_without_an_enablement_says_so(browser, sam, switched_on):
    client = browser(sam)
    client.post("/products/websockets/disable/", {"drain_mode": "cut"})

    page = text_of(client.get("/entitlements/"))

    assert "Switched on for this service, but not enabled for the account." in page


@PAGES
def test_an_account_without_services_has_pages_that_say_so(
    browser, sam, websockets, page
):
    assert browser(sam).get(page).status_code == 200


def test_a_service_is_chosen_from_those_that_a_search_finds(browser, eve, echo, shop):
    client = browser(eve)

    found = client.get("/entitlements/?find=SHO")
    both = text_of(client.get("/entitlements/"))

    assert found.context["service"] == shop
    assert "Products on shop" in text_of(found)
    assert "Products on" not in both
    assert "echo shop" in both


def test_a_superuser_asks_what_a_member_can_do(browser, sam, lin, acme, shop, echo):
    person = acme.memberships.get(user_id=lin.user_id)
    client = browser(sam)

    found = text_of(client.get("/entitlements/?who=LIN@"))
    page = client.get(f"/entitlements/?member={person.pk}&service={echo.pk}")

    assert "What can Lin do? lin@example.com, engineer" in found
    words = text_of(page)
    assert "What Lin can do on echo" in words
    assert (
        "Configure services No You don't have access to this service. Change the access"
        in words
    )
    assert reverse("member_access", args=[person.pk]).encode() in page.content
    assert "Enable and disable products No Your role is engineer." in words
    assert "Claim and verify domains Yes" in words


@pytest.mark.parametrize("asked", ["member={}", "who=Lin"])
def test_others_cannot_ask_for_a_member(browser, eve, lin, acme, asked):
    person = acme.memberships.get(user_id=lin.user_id)

    answer = browser(eve).get(f"/entitlements/?{asked.format(person.pk)}")

    assert answer.status_code == 403
    assert "Lin" not in text_of(answer)


def test_a_member_of_another_account_cannot_be_asked_for(browser, sam, stan, globex):
    person = globex.memberships.get(user_id=stan.user_id)

    answer = browser(sam).get(f"/entitlements/?member={person.pk}")

    assert answer.status_code == 404


def test_your_own_missing_abilities_lead_to_the_superusers(browser, una, sam, shop):
    page = browser(una).get("/entitlements/")

    assert "Create services No Your role is user." in text_of(page)
    assert b'href="/members/?role=superuser"' in page.content


def test_the_services_of_a_large_account_are_listed_once_they_are_searched_for(
    browser, sam, acme
):
    for number in range(11):
        ServiceFactory.create(account=acme, name=f"shop-{number:02}")
    client = browser(sam)

    before = text_of(client.get("/entitlements/"))
    found = text_of(client.get("/entitlements/?find=shop"))

    assert "Find one of your 11 services by a part of its name or by its ID." in before
    assert "shop-00" not in before
    assert "shop-09" in found
    assert "The first 10 of 11 that match are listed." in found


def links_of(answer):
    """Return each link of a page as its text and address."""
    found = re.findall(r'<a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', answer.content.decode())
    return {(re.sub(r"<[^>]+>", "", text), url) for url, text in found}


def test_a_product_that_is_on_leads_to_where_it_is_switched_on(
    browser, eve, switched_on, shop
):
    client = browser(eve)

    without = links_of(client.get("/entitlements/"))
    chosen = links_of(client.get(f"/entitlements/?service={shop.pk}"))

    assert ("Choose a service for WebSockets", "/services/") in without
    page = reverse("service", args=[shop.pk])
    assert ("Open shop for WebSockets", page) in chosen


def test_view_only_leads_to_where_it_is_changed(
    browser, sam, una, lin, acme, enabled, echo, shop
):
    superusers = ("Ask a superuser for WebSockets", "/members/?role=superuser")
    assert superusers in links_of(browser(una).get("/entitlements/"))
    member, limited = (acme.memberships.get(user_id=who.user_id) for who in (una, lin))
    client = browser(sam)

    of_user = client.get(f"/entitlements/?member={member.pk}")
    of_limited = client.get(f"/entitlements/?member={limited.pk}&service={echo.pk}")

    role = ("Change the role for WebSockets", reverse("member", args=[member.pk]))
    assert role in links_of(of_user)
    assert (
        "Change the access to services for WebSockets",
        reverse("member_access", args=[limited.pk]),
    ) in links_of(of_limited)


@pytest.mark.parametrize(
    ("who", "by", "link"),
    [
        ("sam", "budget", ("Open the budget for WebSockets", "/billing/#budget")),
        ("bo", "budget", ("Open the budget for WebSockets", "/billing/#budget")),
        (
            "eve",
            "budget",
            ("Ask a superuser for WebSockets", "/members/?role=superuser"),
        ),
        ("eve", "trial", ("Open Products for WebSockets", "/products/#websockets")),
    ],
)
def test_a_block_leads_to_where_it_ends(request, browser, enabled, echo, who, by, link):
    if by == "budget":
        block_by_budget(enabled.account)
    else:
        Enablement.objects.update(blocked_at=NOW, blocked_reason="Used up.")

    page = browser(request.getfixturevalue(who)).get("/entitlements/")

    assert link in links_of(page)


@pytest.mark.parametrize("who", ["una", "bo", "eve", "sam"])
def test_who_may_request_products_reads_that_they_can(request, browser, who, ngwaf):
    answer = browser(request.getfixturevalue(who)).get("/entitlements/")

    page = text_of(answer)
    assert re.search(r"Next-Gen WAF On request Request it : Next-Gen WAF", page)
    assert answer.content.count(b'href="/products/?show=available#ngwaf"') == 1
    assert "View only" not in page


@pytest.mark.parametrize("page", ["/products/", "/entitlements/"])
def test_what_is_true_for_all_products_on_request_is_said_once(
    browser, una, ngwaf, page
):
    words = text_of(browser(una).get(page))

    assert words.count("from your account manager or sales@") == 1
    assert words.count("A request sends one email.") <= 1
    assert "Price on request." not in words
    assert words.count("your role allows it") <= 1


def test_a_page_without_permission_names_the_role_once(browser, una):
    page = text_of(browser(una).get("/billing/"))

    assert page.count("role is user") + page.count("role in Acme") == 1
    assert "Billing users and superusers can see costs and invoices." in page
