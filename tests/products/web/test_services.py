"""Services in the browser: the list, one service, its switch (R4), deleting and comparing."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from products.deploy.commands import activate, deactivate
from products.services.commands.versions import clone_version, create_version
from products.services.models import Service
from tests.factories import NOW
from tests.factories.services import (
    BackendFactory,
    HeaderFactory,
    ServiceFactory,
    VersionFactory,
    live_version,
)
from tests.products.web.conftest import queries_of, text_of


def page_of(service, name="service"):
    return reverse(name, args=[service.pk])


def test_an_empty_list_says_what_a_service_is(browser, sam, acme):
    page = text_of(browser(sam).get("/services/"))

    assert (
        "No services that you can see A service receives requests for your domains"
        in page
    )
    assert "Create service" in page


def test_the_list_shows_active_versions_and_where_websockets_is_on(
    browser, eve, switched_on, acme
):
    live_version(switched_on, "echo.example.com")
    ServiceFactory.create(account=acme, name="blog")

    page = text_of(browser(eve).get("/services/"))

    assert "blog Not deployed None Off –" in page
    assert "echo Active version 1" in page
    assert "On –" in page


@pytest.mark.parametrize(
    "asked, found",
    [
        ("", ["blog", "echo"]),
        ("q=ECHO.example", ["echo"]),
        ("q=BLO", ["blog"]),
        ("state=active", ["echo"]),
        ("state=not", ["blog"]),
        ("websockets=on", ["echo"]),
        ("websockets=off&q=o", ["blog"]),
        ("websockets=conflict", []),
        ("q=none", []),
    ],
)
def test_the_list_is_searched_and_filtered(
    browser, eve, acme, switched_on, asked, found
):
    live_version(switched_on, "echo.example.com")
    ServiceFactory.create(account=acme, name="blog")

    page = browser(eve).get(f"/services/?{asked}")

    assert [service.name for service, *_ in page.context["services"]] == found
    assert ("No service matches" in text_of(page)) == (not found)


def test_services_with_a_conflict_are_listed_with_what_prevents_websockets(
    browser, eve, acme, switched_on
):
    live_version(switched_on, "echo.example.com")
    for name in ("shop", "blog"):
        live = live_version(ServiceFactory.create(account=acme, name=name), f"{name}.a")
        BackendFactory.create(version=live, name="far", shield="frankfurt-de")
    client = browser(eve)

    page = client.get("/services/?websockets=conflict")

    assert "Services found: 2" in text_of(page)
    assert text_of(page).count("Backend far uses the shield frankfurt-de.") == 2
    assert page.content.count(b"Shield of far</a>") == 2
    alone = client.get("/services/?websockets=conflict&q=shop")
    assert [service.name for service, *_ in alone.context["services"]] == ["shop"]
    assert "Has a conflict" in text_of(alone)


def test_the_list_has_pages_of_fifty_and_keeps_its_order(browser, sam, acme):
    ServiceFactory.create_batch(51, account=acme)
    client = browser(sam)

    first = client.get("/services/?sort=new")
    second = client.get(first.context["page"].next_url)

    names = [
        [service.name for service, *_ in page.context["services"]]
        for page in (first, second)
    ]
    assert [len(each) for each in names] == [50, 1]
    assert not {*names[0]} & {*names[1]}
    assert "sort=new" in first.context["page"].next_url


def test_the_number_of_queries_does_not_depend_on_the_services(
    browser, eve, acme, switched_on
):
    client = browser(eve)
    alone = queries_of(client, "/services/")
    ServiceFactory.create_batch(4, account=acme)

    assert queries_of(client, "/services/") == alone


def test_a_limited_engineer_sees_only_their_services(browser, lin, shop, echo):
    page = text_of(browser(lin).get("/services/"))

    assert "shop" in page
    assert "echo" not in page


def test_a_service_is_created_with_an_empty_draft(browser, sam, acme):
    answer = browser(sam).post("/services/", {"name": "chat"}, follow=True)

    made = Service.objects.get(account=acme)
    assert made.name == "chat"
    assert answer.redirect_chain == [(f"/services/{made.pk}/versions/1/", 303)]
    assert "Created chat with an empty draft. View in Activity" in text_of(answer)


@pytest.mark.parametrize(
    "typed", [{}, {"name": ""}, {"name": "x" * 121}, {"name": "a\x07b"}]
)
def test_a_service_without_a_valid_name_is_not_created(browser, sam, acme, typed):
    answer = browser(sam).post("/services/", typed)

    assert answer.status_code == 400
    assert "The service was not created" in text_of(answer)
    assert not Service.objects.exists()


def test_others_read_why_they_cannot_create(browser, una, acme):
    client = browser(una)

    seen = text_of(client.get("/services/"))
    sent = client.post("/services/", {"name": "chat"})

    assert "Your role is user" in seen
    assert "Create service" not in seen
    assert sent.status_code == 403
    assert not Service.objects.exists()


def test_a_service_is_renamed(browser, eve, echo):
    browser(eve).post(page_of(echo), {"name": "echo-eu", "comment": "Europe"})

    echo.refresh_from_db()
    assert (echo.name, echo.comment) == ("echo-eu", "Europe")


def test_too_long_a_name_is_kept_in_the_form(browser, eve, echo):
    answer = browser(eve).post(page_of(echo), {"name": "x" * 121})

    echo.refresh_from_db()
    assert answer.status_code == 400
    assert b"x" * 121 in answer.content
    assert echo.name == "echo"


def test_the_card_names_who_can_switch_it(browser, una, eve, lin, sam, switched_on):
    page = text_of(browser(una).get(page_of(switched_on)))

    assert "On for this service" in page
    assert (
        "Who can switch it on or off? Superusers, and engineers with full access to this service: Eve and Sam."
        in page
    )
    assert "Switch WebSockets" not in page


def test_an_engineer_requests_what_is_not_enabled_for_the_account(
    browser, eve, sam, echo, websockets
):
    client = browser(eve)
    before = text_of(client.get(page_of(echo)))
    client.post("/products/websockets/request/")
    after = text_of(client.get(page_of(echo)))

    assert "Superusers can enable it: Sam. Request access" in before
    assert "Requested today" in after
    assert "Request access" not in after


def test_a_superuser_sees_the_way_to_enable(browser, sam, echo, websockets):
    answer = browser(sam).get(page_of(echo))

    assert b'href="/products/websockets/enable/"' in answer.content


def test_versions_have_pages_of_twenty_and_the_draft_is_found_on_each(
    browser, eve, echo
):
    for number in range(1, 26):
        VersionFactory.create(service=echo, number=number, locked=number != 3)
    client = browser(eve)

    first = client.get(page_of(echo))
    second = client.get(first.context["page"].next_url)

    numbers = [
        [version.number for version, _ in page.context["versions"]]
        for page in (first, second)
    ]
    assert numbers == [[*range(25, 5, -1)], [5, 4, 3, 2, 1]]
    assert [text_of(page).count("Edit draft 3") for page in (first, second)] == [1, 1]
    assert "Versions 25" in text_of(first)
    assert "Newer versions" in text_of(second)


def test_a_service_is_deleted_after_a_confirmation(browser, sam, echo):
    client = browser(sam)

    asked = client.get(page_of(echo, "delete_service"))
    answer = client.post(page_of(echo, "delete_service"), follow=True)

    echo.refresh_from_db()
    assert "This can't be undone." in text_of(asked)
    assert "Service echo is deleted." in text_of(answer)
    assert echo.deleted_at is not None
    assert client.get(page_of(echo)).status_code == 404


def test_a_service_with_an_active_version_is_not_deleted(browser, sam, echo):
    live_version(echo, "echo.example.com")
    client = browser(sam)

    answer = client.post(page_of(echo, "delete_service"))

    echo.refresh_from_db()
    assert answer.status_code == 409
    assert "Version 1 is active" in text_of(answer)
    assert "Deactivate version 1…" in text_of(answer)
    assert echo.deleted_at is None


def test_others_delete_nothing(browser, una, echo):
    answer = browser(una).post(page_of(echo, "delete_service"))

    echo.refresh_from_db()
    assert (answer.status_code, echo.deleted_at) == (403, None)


def test_two_versions_are_compared(browser, eve, echo):
    first = VersionFactory.create(service=echo, number=1)
    second = VersionFactory.create(service=echo, number=2)
    BackendFactory.create(version=first, name="origin", address="old.example.com")
    BackendFactory.create(version=second, name="origin", address="new.example.com")
    HeaderFactory.create(version=second, name="tenant")

    page = text_of(browser(eve).get(page_of(echo, "compare"), {"from": "1", "to": "2"}))

    assert "From version 1 to version 2." in page
    assert "1 added, 1 changed, 0 unchanged." in page
    assert (
        "Changed backend origin Address was old.example.com → becomes new.example.com"
        in page
    )
    assert "Added header rule tenant : Set, http.X-Tenant" in page


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "3", "1.5", "9" * 30])
def test_an_invalid_number_compares_nothing_and_says_what_is_valid(
    browser, eve, echo, number
):
    VersionFactory.create(service=echo, number=1)
    VersionFactory.create(service=echo, number=2)

    answer = browser(eve).get(page_of(echo, "compare"), {"from": "1", "to": number})

    assert answer.status_code == 400
    assert "differences" not in answer.context
    assert answer.context["form"].errors == {"to": ["Enter a version from 1 to 2."]}
    assert "Enter a version from 1 to 2." in text_of(answer)


def test_the_newest_versions_are_offered_without_a_list_of_all(browser, eve, echo):
    for number in range(1, 4):
        VersionFactory.create(service=echo, number=number)

    page = browser(eve).get(page_of(echo, "compare"))

    fields = page.context["form"]
    assert (fields["from"].value(), fields["to"].value()) == (2, 3)
    assert b"<option" not in page.content
    assert page.content.count(b'min="1"') == page.content.count(b'max="3"') == 2


def test_a_service_without_versions_has_none_to_compare(browser, eve, echo):
    page = browser(eve).get(page_of(echo, "compare"), {"from": "1", "to": "1"})

    assert page.status_code == 200
    assert "echo has no version yet." in text_of(page)


def test_a_service_with_one_version_has_nothing_to_compare_it_with(browser, eve, echo):
    VersionFactory.create(service=echo, number=1)

    page = browser(eve).get(page_of(echo, "compare"), {"from": "1", "to": "2"})

    assert page.status_code == 200
    assert "echo has only version 1, so there is nothing to compare" in text_of(page)


@pytest.mark.parametrize("name", ["service", "compare", "delete_service"])
def test_a_non_member_gets_404_and_a_limited_member_the_reason(
    browser, stan, lin, echo, name
):
    answers = [browser(who).get(page_of(echo, name)) for who in (stan, lin)]

    assert [answer.status_code for answer in answers] == [404, 403]


def test_an_unknown_service_is_not_found(browser, eve):
    assert browser(eve).get("/services/nothing-like-it/").status_code == 404


@time_machine.travel(NOW + timedelta(days=1))
def test_each_version_names_who_created_it_and_who_activated_it(
    browser, sam, eve, draft, now
):
    create_version(sam, service=draft.service, now=now)
    activate(eve, version=draft, now=now)

    page = text_of(browser(eve).get(page_of(draft.service)))

    assert "Version 2 Draft No comment Sam" in page
    assert re.search(r"Version 1 Active No comment Sam \S+( \S+)? ago Eve", page)
    assert re.search(r"Version 2 Draft No comment Sam \S+( \S+)? ago Never", page)


def test_the_main_button_edits_the_draft_if_there_is_one(browser, eve, draft, now):
    with_draft = text_of(browser(eve).get(page_of(draft.service)))
    activate(eve, version=draft, now=now)
    without = text_of(browser(eve).get(page_of(draft.service)))

    assert "Edit draft 1" in with_draft
    assert "Clone version" not in with_draft
    assert "Clone version 1 to edit" in without
    assert "Edit draft" not in without


def test_the_version_before_can_be_activated_again(browser, eve, una, sam, draft, now):
    page = page_of(draft.service)
    activate(eve, version=draft, now=now)
    first = text_of(browser(eve).get(page))
    second = clone_version(sam, version=draft, now=now)
    activate(eve, version=second, now=now + timedelta(minutes=1))
    after = text_of(browser(eve).get(page))
    deactivate(eve, version=second, now=now + timedelta(minutes=2))
    nothing_active = text_of(browser(eve).get(page))

    assert "Roll back" not in first
    assert "Deactivate version 1…" in first
    assert "Roll back to version 1… Deactivate version 2…" in after
    assert "Activate version 2 again…" in nothing_active
    assert "Deactivate version" not in nothing_active
    assert "Activate version" not in text_of(browser(una).get(page))
