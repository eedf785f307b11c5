"""The page on which a superuser enables a product (R3, R5), and everything that can refuse it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from portal.starter_catalogue import CONNECTION_TIME
from products.catalogue.models import Plan
from products.enablement.agreements import direct_terms
from products.enablement.commands import change_price
from products.enablement.models import Enablement
from tests.factories import NOW
from tests.factories.enablement import block_by_budget
from tests.factories.services import BackendFactory, ServiceFactory, live_version
from tests.factories.world import CATALOGUE, text_to_agree_to
from tests.products.web.conftest import actions_of, queries_of, text_of

PAGE = "/products/websockets/enable/"
RESULT_PAGE = "/products/websockets/enabled/"
# Cheaper: a rise would take effect at the start of the next month.
NEW_PRICE = replace(CONNECTION_TIME, tiers=CONNECTION_TIME.tiers[1:])


def is_ticked(answer):
    box = re.search(
        r'<input type="checkbox"[^>]*name="agree"[^>]*>', answer.content.decode()
    )
    return "checked" in box.group()


def agreement(acme, websockets, **more):
    return {"agreed_text": text_to_agree_to(acme, websockets), "agree": "on"} | more


def test_the_page_shows_what_changes_the_costs_and_the_agreement(
    browser, sam, eve, lin, bo, acme, websockets
):
    answer = browser(sam).get(PAGE)
    page = text_of(answer)

    assert answer.status_code == 200
    assert (
        "any user on the account with the appropriate permissions will be able to use it"
        in page
    )
    assert "Enabling WebSockets changes your monthly bill." in page
    assert (
        "Today that is 3 people: Who Role Services Sam Superuser All services" in page
    )
    assert "Lin Engineer shop" in page
    assert text_to_agree_to(acme, websockets) in page
    assert b'name="agree"' in answer.content
    assert not is_ticked(answer)


def test_the_pages_say_that_the_budget_refuses_new_connections(
    browser, sam, acme, websockets
):
    block_by_budget(acme)
    client = browser(sam)

    page = text_of(client.get(PAGE))
    assert "New connections Blocked The budget of this month is used up." in page

    answer = client.post(PAGE, agreement(acme, websockets), follow=True)
    assert "Blocked The budget of this month is used up." in text_of(answer)


def test_the_calculator_rounds_up_every_connection(browser, sam, websockets):
    page = text_of(browser(sam).get(PAGE, {"connections": "1,500,000", "length": "61"}))

    assert "1 min 1 s, counted as 2 minutes" in page
    assert "3,000,000 minutes" in page
    assert "1.80 USD" in page


@pytest.mark.parametrize("typed", ["", "many", "-1", "9" * 30])
def test_the_calculator_names_an_impossible_input(browser, sam, websockets, typed):
    answer = browser(sam).get(PAGE, {"connections": typed, "length": "61"})

    assert answer.status_code == 200
    assert b"id_connections_error" in answer.content


def test_the_calculator_and_the_agreement_are_two_forms(browser, sam, websockets):
    page = browser(sam).get(PAGE).content.decode()
    calculator = page[page.index('id="calculator"') :]
    calculator = calculator[: calculator.index("</form>")]

    assert 'name="connections"' in calculator
    assert 'name="agree"' not in calculator
    assert "Enable WebSockets" not in calculator


def test_an_estimate_needs_no_reauthentication(browser, sam, websockets):
    stale = browser(sam, confirmed=301)

    answer = stale.get(PAGE, {"connections": "10", "length": "61"})

    assert answer.status_code == 200


def test_a_superuser_enables_it(browser, sam, acme, websockets):
    client = browser(sam)

    answer = client.post(
        PAGE, agreement(acme, websockets, reason="Chat goes live"), follow=True
    )

    enablement = Enablement.objects.get(account=acme)
    page = text_of(answer)
    assert answer.redirect_chain == [("/products/websockets/enabled/", 303)]
    assert enablement.agreed_text == text_to_agree_to(acme, websockets)
    assert enablement.reason == "Chat goes live"
    assert actions_of(acme)[-2:] == ["product.enabled", "bill.changed"]
    assert "WebSockets is enabled for Acme." in page
    assert "It changes your monthly bill. View in Activity" in page
    assert enablement.agreed_text in page


def test_without_agreement_nothing_is_enabled_and_the_reason_is_kept(
    browser, sam, acme, websockets
):
    typed = agreement(acme, websockets, reason="Chat goes live")
    del typed["agree"]

    answer = browser(sam).post(PAGE, typed)

    assert answer.status_code == 400
    assert "WebSockets was not enabled" in text_of(answer)
    assert "Select this to agree to the change of the monthly bill." in text_of(answer)
    assert b"Chat goes live" in answer.content
    assert not Enablement.objects.exists()


def test_too_long_a_reason_is_refused_at_its_field_and_the_tick_is_kept(
    browser, sam, acme, websockets
):
    answer = browser(sam).post(PAGE, agreement(acme, websockets, reason="x" * 501))

    assert answer.status_code == 400
    assert b'href="#id_reason"' in answer.content
    assert b"x" * 501 in answer.content
    assert is_ticked(answer)
    assert not Enablement.objects.exists()


@time_machine.travel(NOW + timedelta(hours=1))
def test_a_changed_price_is_shown_and_needs_a_new_agreement(
    browser, sam, acme, websockets
):
    typed = agreement(acme, websockets, reason="Chat goes live")
    plan = Plan.objects.get(product=websockets, kind="direct")
    later = NOW + timedelta(minutes=1)
    dearer = change_price(
        CATALOGUE, plan=plan, price=NEW_PRICE, effective_from=later, now=NOW
    )
    now_due = direct_terms(acme, websockets, [dearer], now=NOW).text

    answer = browser(sam).post(PAGE, typed)
    page = text_of(answer)

    assert answer.status_code == 409
    assert "The price changed after you reviewed it." in page
    assert f"Before: {typed['agreed_text']}" in page
    assert f"Now: {now_due}" in page
    assert now_due != typed["agreed_text"]
    assert b"Chat goes live" in answer.content
    assert not is_ticked(answer)
    assert not Enablement.objects.exists()


def test_the_second_of_two_reads_who_was_first(browser, sam, acme, websockets, enabled):
    answer = browser(sam).post(PAGE, agreement(acme, websockets))

    assert answer.status_code == 409
    assert "WebSockets is already enabled" in text_of(answer)
    assert "Enabled by Sam" in text_of(answer)
    assert Enablement.objects.count() == 1


def test_an_old_authentication_is_asked_for_again_and_the_input_is_kept(
    browser, sam, acme, websockets
):
    answer = browser(sam, confirmed=301).post(
        PAGE, agreement(acme, websockets, reason="Chat goes live")
    )

    assert answer.status_code == 403
    assert "Confirm to enable WebSockets for Acme" in text_of(answer)
    assert b'name="reason" value="Chat goes live"' in answer.content
    assert not Enablement.objects.exists()


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_others_read_who_can(request, browser, sam, websockets, acme, who):
    client = browser(request.getfixturevalue(who))

    seen = client.get(PAGE)
    sent = client.post(PAGE, agreement(acme, websockets))

    assert (seen.status_code, sent.status_code) == (403, 403)
    assert "You can't enable WebSockets" in text_of(seen)
    assert "Superusers can enable and disable it: Sam." in text_of(seen)
    assert "Request access" in text_of(seen)
    assert not Enablement.objects.exists()


def test_others_read_that_it_is_already_enabled(browser, eve, enabled):
    page = text_of(browser(eve).get(PAGE))

    assert "WebSockets is already enabled Enabled by Sam" in page
    assert "Request access" not in page


def test_a_product_sold_by_sales_is_not_enabled_here(browser, sam, websockets):
    answer = browser(sam).get("/products/ngwaf/enable/")

    assert "Next-Gen WAF can't be enabled here" in text_of(answer)
    assert b'name="agree"' not in answer.content


def test_a_superuser_enables_nothing_for_another_account(
    browser, stan, acme, globex, websockets
):
    answer = browser(stan).post(PAGE, agreement(acme, websockets))

    assert answer.status_code == 409
    assert not Enablement.objects.exists()


def test_conflicts_of_services_are_shown_in_a_fixed_number_of_queries(
    browser, sam, acme, websockets
):
    client = browser(sam)
    shielded(acme, "shop-1")
    alone = queries_of(client, PAGE)
    shielded(acme, "shop-2")
    shielded(acme, "shop-3")

    answer = client.get(PAGE)

    page = text_of(answer)
    assert page.count("Backend far uses the shield frankfurt-de") == 3
    assert answer.content.decode().count("Shield of far</a>") == 3
    assert queries_of(client, PAGE) == alone


def shielded(acme, name):
    service = ServiceFactory.create(account=acme, name=name)
    live = live_version(service, f"{name}.example.com")
    BackendFactory.create(version=live, name="far", shield="frankfurt-de")


def test_the_result_page_links_to_the_services(browser, sam, echo, enabled):
    page = browser(sam).get("/products/websockets/enabled/")

    assert reverse("service", args=[echo.pk]).encode() in page.content
    assert "for the whole account, enabled by Sam." in text_of(page)


def test_on_the_result_page_it_is_switched_on_for_services_without_a_conflict(
    browser, sam, acme, echo, enabled
):
    client = browser(sam)
    shielded(acme, "shop-1")
    before = queries_of(client, RESULT_PAGE)
    shielded(acme, "shop-2")

    page = client.get(RESULT_PAGE)

    assert text_of(page).count("Backend far uses the shield frankfurt-de") == 2
    assert page.content.count(b"Shield of far</a>") == 2
    assert page.content.count(b">Switch on<") == 1
    assert queries_of(client, RESULT_PAGE) == before
    switch = reverse("product_on", args=[echo.pk, "websockets"])
    answer = client.post(switch, {"next": RESULT_PAGE}, follow=True)
    assert answer.redirect_chain == [(RESULT_PAGE, 303)]
    assert "WebSockets is on for echo" in text_of(answer)
    assert b">Switch on<" not in answer.content


def test_the_summary_comes_before_the_button_on_every_screen(browser, sam, websockets):
    page = text_of(browser(sam).get(PAGE))

    assert page.index("What it costs") < page.index("Summary") < page.index("Confirm")


def test_the_result_page_of_a_disabled_product_redirects_to_products(
    browser, sam, websockets
):
    answer = browser(sam).get("/products/websockets/enabled/")

    assert (answer.status_code, answer["Location"]) == (302, "/products/")


def test_others_do_not_get_the_result_page(browser, eve, enabled):
    assert browser(eve).get("/products/websockets/enabled/").status_code == 403


@pytest.mark.parametrize("action", ["enable", "enabled", "disable"])
def test_an_unknown_product_is_not_found(browser, sam, websockets, action):
    assert browser(sam).get(f"/products/teleport/{action}/").status_code == 404
