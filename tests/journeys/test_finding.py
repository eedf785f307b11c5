"""Finding things: long lists, the search from everywhere, the filters of Activity, and Entitlements."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.roles import Role
from products.deploy.commands import activate
from products.enablement.commands import assign_package
from products.services.models import Service
from tests.factories import NOW
from tests.factories.accounts import member
from tests.factories.services import BackendFactory, ServiceFactory, live_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def test_a_long_list_is_paged_searched_filtered_and_ordered(browse, sam, acme, draft):
    Service.objects.bulk_create(
        Service(account=acme, name=f"s-{number:03}", created_at=NOW, updated_at=NOW)
        for number in range(60)
    )
    activate(sam, version=draft, now=NOW)
    page = browse(sam)

    page.open("/services/")
    page.reads("61 services of Acme", "echo", "s-048")
    page.misses("s-049")
    assert page.faults() == []
    page.follow("Next services")
    page.reads("s-059")
    page.misses("s-048")
    page.follow("Previous services")
    page.reads("s-000")

    search = page.page.get_by_role("search", name="Search services")
    search.get_by_label("Search").fill("echo.exam")
    search.get_by_role("button", name="Search").click()
    page.reads("Services found: 1", "echo.example.com")
    page.choose("State", "Not deployed")
    search.get_by_role("button", name="Search").click()
    page.reads("No service matches")
    assert page.faults() == []
    page.follow("Show all")
    page.choose("Order", "Newest first")
    search.get_by_role("button", name="Search").click()
    page.reads("s-0")


def test_the_search_finds_a_service_a_domain_a_person_and_an_id(
    browse, sam, eve, echo, draft
):
    activate(sam, version=draft, now=NOW)
    page = browse(sam)
    for words, title in (
        ("echo", "Services"),
        ("echo.exam", "Active domains"),
        ("eve@", "Members"),
        (echo.pk, "Services"),
    ):
        page.open("/help/")
        page.page.keyboard.press("/")
        page.page.keyboard.type(words)
        page.page.keyboard.press("Enter")
        page.titled("Search")
        expect(page.page.get_by_role("heading", name=title)).to_be_visible()
    assert page.faults() == []
    page.page.get_by_role("main").get_by_role("link", name="echo").first.click()
    page.titled("echo")


def test_activity_reads_as_sentences_and_a_link_keeps_its_filters(
    browse, ada, sam, eve, acme, ngwaf, switched_on, settings
):
    assign_package(ada, account=acme, plan=ngwaf.plans.get(kind="package"), now=NOW)
    page = browse(sam)

    page.open("/activity/")
    page.reads(
        "Sam switched WebSockets on for echo",
        "Ada (Tollgate staff) assigned Next-Gen WAF from the package",
        "entries",
    )
    page.page.locator(".timeline summary").first.click()
    page.follow("Tollgate staff")
    page.misses("Sam switched WebSockets on for echo")
    page.reads("Link to these filters")
    assert page.faults() == []
    page.follow("Everything")
    page.type("Search", "switched")
    page.choose("Product", "WebSockets")
    page.press("Search")
    page.reads("Sam switched WebSockets on for echo")
    link = page.page.locator("[data-copy*='/activity/?']").get_attribute("data-copy")

    again = browse(sam)
    again.open(str(link).removeprefix(settings.PORTAL_URL))
    again.reads("Sam switched WebSockets on for echo")
    again.misses("Next-Gen WAF from the package")
    expect(again.page.get_by_label("Product")).to_have_value("websockets")
    again.type("Search", "nothing like it")
    again.press("Search")
    again.reads("Nothing matches these filters")


def test_a_superuser_asks_what_lin_can_do_and_follows_what_would_change_it(
    browse, sam, lin, una, acme, echo, shop, enabled
):
    member(acme, "Linus", Role.USER)
    page = browse(sam)
    page.open("/entitlements/")
    page.reads("what you can do with it")
    page.type("Person", "Lin")
    page.press("Find")
    page.reads("What can Linus do?")
    page.page.get_by_role("link", name="What can Lin do?", exact=True).click()
    page.titled("What Lin can do")
    page.follow("echo")
    page.reads("Products on echo", "You don't have access to this service.")
    assert page.faults() == []
    page.follow("Change the access to services")
    page.page.wait_for_url("**/access/")
    assert page.faults() == []

    for_una = browse(una)
    for_una.open("/entitlements/")
    for_una.reads("Your role is user.", "View only")
    for_una.misses("Person")
    for_una.unfold("Why?")
    for_una.follow("Ask a superuser")
    for_una.titled("Members")
    for_una.reads("Sam")


def test_staff_ask_the_same_for_anybody(browse, ada, acme, lin, echo, shop):
    page = browse(ada)
    page.open(reverse("admin:accounts_account_change", args=[acme.pk]))
    page.follow("engineer")
    page.reads("Lin")
    page.page.get_by_role("searchbox", name="Service").fill("echo")
    page.press("Ask")
    page.reads("You don't have access to this service.")


def test_services_are_chosen_for_a_token_by_searching_among_many(browse, sam, acme):
    Service.objects.bulk_create(
        Service(account=acme, name=f"s-{number:03}", created_at=NOW, updated_at=NOW)
        for number in range(60)
    )
    page = browse(sam, permissions=CLIPBOARD)
    page.open("/api-tokens/new/")
    page.type("Name", "CI")
    page.reads("0 chosen. The first 20 of 60 services are listed; find the others")
    for name in ("s-041", "s-059"):
        page.type("Find services by name or ID", name)
        page.press("Find")
        page.page.get_by_label(name).check()
    assert page.faults() == []

    # What was chosen stays chosen while other services are searched for.
    page.type("Find services by name or ID", "nothing like it")
    page.press("Find")
    page.reads("2 chosen. 0 found for “nothing like it”.")
    page.press("Create token")
    page.titled("Token CI created")
    assert page.faults() == []
    page.press("Copy the API token")
    secret = page.page.locator("#secret").inner_text()
    copies(page, secret)
    page.press("Copy the command")
    copies(page, 'curl -H "Fastly-Key: $FASTLY_KEY" "http')
    page.follow("Done")
    row = page.page.get_by_role("row", name="CI")
    for name in ("s-041", "s-059"):
        expect(row).to_contain_text(name)


def test_a_service_is_copied_by_its_domain_its_id_and_its_command(
    browse, sam, echo, draft
):
    activate(sam, version=draft, now=NOW)
    page = browse(sam, permissions=CLIPBOARD)
    page.open(reverse("service", args=[echo.pk]))
    page.press("Copy domain")
    copies(page, "echo.example.com")
    page.press("Copy service ID")
    copies(page, echo.pk)
    page.press("Copy the command")
    copies(page, 'curl -H "Fastly-Key: $FASTLY_KEY" "http')
    assert page.faults() == []


def copies(page, words):
    """Wait until the clipboard has what begins with some words."""
    page.page.wait_for_function(
        "words => navigator.clipboard.readText().then(copied => copied.startsWith(words))",
        arg=words,
    )


def test_enabling_shows_conflicts_first_and_folds_the_others(
    browse, sam, acme, draft, websockets, ngwaf
):
    activate(sam, version=draft, now=NOW)
    for number in range(5):
        service = ServiceFactory.create(account=acme, name=f"shop-{number}")
        live = live_version(service, f"{number}.example.com")
        BackendFactory.create(version=live, name="far", shield="frankfurt-de")
    page = browse(sam)

    page.open("/products/")
    sold = page.page.get_by_role("heading", name="Next-Gen WAF")
    expect(sold).to_be_hidden()
    page.unfold("products on request")
    expect(sold).to_be_visible()

    page.follow("Enable WebSockets…")
    page.reads("5 services have a conflict.", "No conflict 1 service")
    last = page.page.get_by_role("link", name="shop-4")
    expect(page.page.get_by_role("link", name="shop-2")).to_be_visible()
    expect(last).to_be_hidden()
    page.unfold("2 more services with a conflict")
    expect(last).to_be_visible()
    assert page.faults() == []
    page.follow("Shield of far")
    page.titled("Backend far")
