"""The Products page, and requests for products (R3, R17)."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.commands.accounts import suspend_account
from products.catalogue.commands import add_plan
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price, request_product
from products.enablement.models import ProductRequest
from products.months import Month
from tests.factories import NOW
from tests.factories.enablement import block_by_budget
from tests.factories.services import ServiceFactory
from tests.factories.world import CATALOGUE
from tests.products.web.conftest import actions_of, queries_of, text_of


def card(answer, slug="websockets"):
    """Return the text of one product's card."""
    page = answer.content.decode()
    start = page.index(f'aria-labelledby="{slug}"')
    cut = page[start : page.index("</article>", start)]
    return " ".join(re.sub(r"<[^>]+>", " ", cut[cut.index(">") + 1 :]).split())


def test_a_superuser_sees_the_price_and_the_way_to_enable(browser, sam, websockets):
    answer = browser(sam).get("/products/")

    assert "changes your monthly bill" in text_of(answer)
    assert "Disabled You pay only for what you use. Enable WebSockets…" in card(answer)
    assert (
        "From 0.40 USD per million connection minutes (0.60 for the first 10 million)."
        in card(answer)
    )
    assert "Limitations" in card(answer)
    assert "On request" in card(answer, "ngwaf")
    assert "Always on" in card(answer, "delivery")


def test_prices_are_called_examples_only_if_they_are(browser, sam, acme, websockets):
    client, now = browser(sam), timezone.now()
    examples = text_of(client.get("/products/?show=available"))
    own = add_plan(
        CATALOGUE,
        product=websockets,
        kind="direct",
        name="Contract",
        account=acme,
        now=now,
    )
    price = NewPrice(
        currency="EUR",
        meter="connection_time",
        tiers=(PriceTier(None, 111_000_000),),
    )
    change_price(CATALOGUE, plan=own, price=price, effective_from=now, now=now)

    agreed = text_of(client.get("/products/?show=available"))

    assert "Example prices before tax" in examples
    assert "Prices before tax" in agreed


@pytest.mark.parametrize("who", ["eve", "bo", "una"])
def test_others_read_who_can_enable_it(request, browser, sam, websockets, who):
    answer = browser(request.getfixturevalue(who)).get("/products/")

    assert "Superusers can enable it: Sam." in card(answer)
    assert "Request access" in card(answer)
    assert "Enable WebSockets…" not in card(answer)
    assert "appropriate permissions" in text_of(answer)


def test_an_enabled_product_shows_since_when_by_whom_and_where(
    browser, eve, switched_on
):
    words = card(browser(eve).get("/products/"))

    assert re.search(r"Enabled .{1,20} by Sam", words)
    assert "Used by echo" in words
    assert "Disable WebSockets" not in words


def test_a_superuser_sees_the_way_to_disable(browser, sam, enabled):
    words = card(browser(sam).get("/products/"))

    assert "No service uses it yet. Switch it on from a service's page" in words
    assert "Disable WebSockets…" in words


@pytest.mark.parametrize(
    ("who", "sees"), [("sam", True), ("bo", True), ("eve", False), ("una", False)]
)
def test_prices_of_a_contract_are_for_those_who_see_costs(
    request, browser, acme, enabled, websockets, who, sees
):
    now = timezone.now()
    own = add_plan(
        CATALOGUE,
        product=websockets,
        kind="direct",
        name="Contract",
        account=acme,
        now=now,
    )
    for number, at in ((1, now), (2, now + timedelta(days=40))):
        price = NewPrice(
            currency="USD",
            meter="connection_time",
            tiers=(PriceTier(None, 111_000_000 * number),),
        )
        change_price(CATALOGUE, plan=own, price=price, effective_from=at, now=now)

    words = card(browser(request.getfixturevalue(who)).get("/products/"))

    assert [amount in words for amount in ("0.111 USD", "0.222 USD")] == [sees, sees]
    assert ("The price of WebSockets changes" in words) is sees


def test_a_blocked_product_shows_the_reason(browser, sam, enabled, now):
    block_by_budget(enabled.account)

    words = card(browser(sam).get("/products/"))
    assert "Blocked The budget of this month is used up." in words


@pytest.mark.parametrize(
    ("who", "leads"), [("sam", True), ("bo", True), ("eve", False)]
)
def test_a_used_up_budget_leads_to_the_budget(
    request, browser, acme, enabled, who, leads
):
    block_by_budget(acme)
    client = browser(request.getfixturevalue(who))

    pages = [client.get(page).content.decode() for page in ("/products/", "/")]

    assert "Blocked The budget of this month is used up." in card(
        client.get("/products/")
    )
    assert ['href="/billing/#budget"' in page for page in pages] == [leads, leads]


@pytest.mark.parametrize(
    ("show", "count"), [("all", 12), ("on", 2), ("available", 10), ("odd", 12)]
)
def test_the_list_can_be_filtered(browser, sam, enabled, show, count):
    answer = browser(sam).get("/products/", {"show": show})

    assert answer.content.count(b'<article class="product"') == count


def test_the_number_of_queries_does_not_depend_on_the_services(
    browser, sam, acme, switched_on
):
    client = browser(sam)
    alone = queries_of(client, "/products/")
    for number in range(3):
        service = ServiceFactory.create(account=acme, name=f"more-{number}")
        service.products.create(
            product_id="websockets", starts_at=switched_on.created_at
        )

    assert queries_of(client, "/products/") == alone


def test_an_engineer_requests_a_product_once_per_day(
    browser, sam, eve, acme, websockets
):
    client = browser(eve)

    first = client.post("/products/websockets/request/", follow=True)
    second = client.post("/products/websockets/request/", follow=True)

    asked = ProductRequest.objects.get(account=acme)
    assert asked.requested_by == "Eve"
    assert actions_of(acme) == ["product.requested"]
    assert "Request sent. Notified: Sam." in text_of(first)
    assert "View in Activity" not in text_of(first)
    assert "Requested today" in card(first)
    assert "You already requested WebSockets today." in text_of(second)
    assert len(mail.outbox) <= 1


@pytest.mark.parametrize("state", ["granted", "declined", "answered", "withdrawn"])
def test_a_request_of_today_says_what_became_of_it(
    browser, sam, eve, echo, websockets, state
):
    client = browser(eve)
    client.post("/products/websockets/request/")
    ProductRequest.objects.update(state=state)

    shown = card(client.get("/products/"))

    words = f"You requested it today, and the request was {state}."
    assert words in shown
    assert "You can request it again tomorrow." in shown
    assert "Requested today" not in shown
    assert "Request access" not in shown
    assert words in text_of(client.get(f"/services/{echo.pk}/"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("open", "Requested 2 days ago View request"),
        ("answered", "and the request was answered: “Not yet” View"),
        ("declined", "and the request was declined: “Not yet” View"),
    ],
)
def test_a_card_leads_to_an_earlier_request_until_it_is_requested_again(
    browser, eve, acme, echo, websockets, state, words
):
    client = browser(eve)
    client.post("/products/websockets/request/")
    before = timezone.now() - timedelta(days=2)
    ProductRequest.objects.update(
        state=state,
        requested_on=before.date(),
        requested_at=before,
        answer="" if state == "open" else "Not yet",
    )
    earlier = ProductRequest.objects.get()

    page = client.get("/products/")

    assert words in card(page)
    assert "Request access" in card(page)
    assert f'href="/requests/{earlier.pk}/"' in page.content.decode()
    assert words in text_of(client.get(f"/services/{echo.pk}/"))


@pytest.mark.parametrize("state", ["granted", "withdrawn"])
def test_a_card_does_not_show_an_earlier_request_that_needs_no_answer(
    browser, eve, websockets, state
):
    client = browser(eve)
    client.post("/products/websockets/request/")
    before = timezone.now() - timedelta(days=2)
    ProductRequest.objects.update(
        state=state, requested_on=before.date(), requested_at=before
    )

    shown = card(client.get("/products/"))

    assert "View request" not in shown
    assert "Request access" in shown


def test_a_superuser_requests_a_product_of_sales(browser, sam, acme, websockets):
    answer = browser(sam).post("/products/ngwaf/request/", follow=True)

    sent = "Request sent to your account manager. View in Activity"
    assert sent in text_of(answer)


def test_a_request_with_too_long_a_note_is_refused(browser, eve, acme, websockets):
    answer = browser(eve).post(
        "/products/websockets/request/", {"note": "x" * 501}, follow=True
    )

    assert "The note can have at most 500 characters." in text_of(answer)
    assert not ProductRequest.objects.exists()


def test_a_product_enabled_meanwhile_is_not_requested(browser, eve, acme, enabled):
    answer = browser(eve).post("/products/websockets/request/", follow=True)

    assert "WebSockets is already enabled: Sam enabled it on" in text_of(answer)
    assert "Request access" not in card(answer)
    assert not ProductRequest.objects.filter(account=acme).exists()


def test_an_unknown_product_cannot_be_requested(browser, eve, websockets):
    assert browser(eve).post("/products/teleport/request/").status_code == 404


def test_a_member_sees_nothing_of_another_account(browser, stan, switched_on):
    words = card(browser(stan).get("/products/"))

    assert "Disabled" in words
    assert "echo" not in words
    assert "Sam" not in words


def test_in_a_suspended_account_nothing_is_offered(browser, ada, sam, acme, websockets):
    suspend_account(ada, account=acme, reason="Unpaid invoice.", now=timezone.now())

    page = text_of(browser(sam).get("/products/"))

    assert "The account is suspended, so it can't be enabled." in page
    assert "Request access" not in page
    assert "Superusers can enable it" not in page


def test_an_announced_price_is_on_the_pages_of_products_and_billing(
    browser, bo, sam, acme, enabled
):
    at = Month.at(NOW, "UTC").plus(1).starts_at("UTC")
    change_price(
        CATALOGUE,
        plan=enabled.plan,
        price=NewPrice("USD", "connection_time", (PriceTier(None, 10**9),)),
        effective_from=at,
        now=NOW,
    )
    with time_machine.travel(NOW, tick=False):
        for url in ("/products/", "/billing/"):
            page = text_of(browser(bo).get(url))

            assert (
                "The price of WebSockets changes on 1 December 2026, 00:00 UTC." in page
            )
            assert "1.00 USD per million connection minutes." in page
    with time_machine.travel(at, tick=False):
        assert "changes on" not in text_of(browser(bo).get("/products/"))


def test_products_on_request_are_folded_unless_they_are_chosen_or_requested(
    browser, eve, acme, ngwaf, now
):
    client = browser(eve)

    before = client.get("/products/")
    available = client.get("/products/?show=available")
    request_product(eve, account=acme, product=ngwaf, now=timezone.now())
    after = client.get("/products/")

    slugs = [card.product.pk for card in before.context["folded"]]
    assert "ngwaf" in slugs
    assert "websockets" not in slugs
    assert f"{len(slugs)} products on request" in text_of(before)
    assert (before.context["unfolds"], available.context["unfolds"]) == (False, True)
    left = [card.product.pk for card in after.context["folded"]]
    assert sorted([*left, "ngwaf"]) == sorted(slugs)
