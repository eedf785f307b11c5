"""The page on which a superuser disables a product (R19): what stops, then the confirmation."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from products.enablement.models import Enablement
from products.web.forms import DisableForm
from tests.factories.services import ServiceFactory, live_version
from tests.products.metering.reports import make_edge
from tests.products.web.conftest import actions_of, queries_of, text_of

PAGE = "/products/websockets/disable/"


def test_the_page_shows_what_stops_working(browser, sam, switched_on):
    live_version(switched_on, "echo.example.com", number=3)

    answer = browser(sam).get(PAGE)
    page = text_of(answer)

    assert answer.status_code == 200
    assert "1 service uses it." in page
    assert "echo 3 0 Open connections end as chosen below." in page
    assert "Close them after 60 seconds. They are billed until they close." in page
    assert "Close them now. Usage until now is billed." in page
    assert "Let them end. They are billed until they close." in page
    assert "Type " not in page
    assert re.search(r'href="/products/"\s+autofocus', answer.content.decode())
    assert page.count("Disable WebSockets") == 4


def test_a_superuser_disables_it(browser, sam, acme, switched_on):
    answer = browser(sam).post(
        PAGE, {"drain_mode": "keep", "reason": "Season ends"}, follow=True
    )

    enablement = Enablement.objects.get(account=acme)
    page = text_of(answer)
    assert answer.redirect_chain == [("/products/", 303)]
    assert (enablement.ended_by, enablement.drain_mode) == ("Sam", "keep")
    assert actions_of(acme)[-2:] == ["product.disabled", "bill.changed"]
    assert "WebSockets is disabled for Acme." in page
    assert "Open connections are billed until they close. View in Activity" in page
    assert re.search(r"Disabled .{1,20} by Sam", page)


def test_the_second_of_two_reads_who_was_first(browser, sam, acme, enabled):
    client = browser(sam)
    client.post(PAGE, {"drain_mode": "cut"})

    answer = client.post(PAGE, {"drain_mode": "cut"})

    assert answer.status_code == 409
    assert "WebSockets is already disabled: Sam disabled it on" in text_of(answer)
    assert actions_of(acme).count("product.disabled") == 1


@pytest.mark.parametrize(
    "typed", [{}, {"drain_mode": "later"}, {"drain_mode": "cut", "reason": "x" * 501}]
)
def test_an_invalid_form_changes_nothing(browser, sam, acme, enabled, typed):
    answer = browser(sam).post(PAGE, typed)

    assert answer.status_code == 400
    assert "Nothing was disabled" in text_of(answer)
    assert Enablement.objects.get(account=acme).ends_at is None


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_others_cannot_disable(request, browser, acme, enabled, who):
    client = browser(request.getfixturevalue(who))

    answers = client.get(PAGE), client.post(PAGE, {"drain_mode": "cut"})

    assert [answer.status_code for answer in answers] == [403, 403]
    assert Enablement.objects.get(account=acme).ends_at is None


def test_a_non_member_disables_nothing(browser, stan, acme, enabled):
    answer = browser(stan).post(PAGE, {"drain_mode": "cut"})

    assert answer.status_code == 409
    assert Enablement.objects.get(account=acme).ends_at is None


def test_an_old_authentication_changes_nothing(browser, sam, acme, enabled):
    answer = browser(sam, confirmed=301).post(PAGE, {"drain_mode": "cut"})

    assert answer.status_code == 403
    assert "Confirm to disable WebSockets for Acme" in text_of(answer)
    assert Enablement.objects.get(account=acme).ends_at is None


def test_a_product_of_a_package_is_not_disabled_here(browser, sam, acme, enabled):
    Enablement.objects.filter(pk=enabled.pk).update(source="package")

    answer = browser(sam).get(PAGE)

    assert "It is part of your package." in text_of(answer)
    assert b'name="drain_mode"' not in answer.content


def test_the_number_of_queries_does_not_depend_on_the_services(
    browser, sam, acme, switched_on
):
    live_version(switched_on, "echo.example.com")
    client = browser(sam)
    alone = queries_of(client, PAGE)
    for number in range(3):
        service = ServiceFactory.create(account=acme, name=f"more-{number}")
        live_version(service, f"more-{number}.example.com")
        service.products.create(
            product_id="websockets", starts_at=switched_on.created_at
        )

    assert queries_of(client, PAGE) == alone


@pytest.mark.parametrize(
    "offline_for, asks",
    [
        pytest.param(timedelta(0), False, id="nothing is open"),
        pytest.param(timedelta(minutes=10), True, id="unknown"),
        pytest.param(timedelta(days=1), False, id="the edge is gone"),
    ],
)
def test_the_name_is_asked_for_if_an_edge_is_offline(
    browser, sam, switched_on, offline_for, asks
):
    make_edge(last_seen_at=timezone.now() - offline_for)

    answer = browser(sam).get(PAGE)

    assert ("Type WebSockets to confirm" in text_of(answer)) is asks
    assert ("isn't reporting" in text_of(answer)) is asks


def test_without_the_name_nothing_is_disabled_while_an_edge_is_offline(
    browser, sam, acme, switched_on
):
    make_edge(last_seen_at=timezone.now() - timedelta(minutes=10))
    client = browser(sam)

    unnamed = client.post(PAGE, {"drain_mode": "cut"})
    still_on = Enablement.objects.get(account=acme).ends_at is None
    named = client.post(PAGE, {"drain_mode": "cut", "typed": "WebSockets"})

    assert (unnamed.status_code, still_on, named.status_code) == (400, True, 303)


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        ("websockets", []),
        ("WebSockets", []),
        ("", ["This field is required."]),
        ("WebSocket", ["Type WebSockets exactly."]),
    ],
)
def test_the_name_has_to_be_typed_if_connections_are_open(typed, problems):
    form = DisableForm({"drain_mode": "cut", "typed": typed}, must_type="WebSockets")

    assert form.errors.get("typed", []) == problems
