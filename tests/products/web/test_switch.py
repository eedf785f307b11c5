"""The WebSockets switch of a service in the browser (R4): on immediately, off after a review."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from products.catalogue.models import Plan
from products.deploy.commands import activate
from products.enablement.commands import assign_package
from products.enablement.queries import switch_of
from tests.factories.services import BackendFactory, live_version
from tests.products.metering.reports import make_edge, record, take
from tests.products.web.conftest import actions_of, text_of


def page_of(service, name="switch_on"):
    return reverse(name, args=[service.pk])


def is_on(service):
    return switch_of(service, "websockets") is not None


@pytest.mark.parametrize(("who", "link"), [("sam", True), ("eve", False)])
def test_it_is_switched_on_with_a_link_to_the_entry_for_those_who_may_read_it(
    request, browser, acme, echo, enabled, who, link
):
    client = browser(request.getfixturevalue(who))

    answer = client.post(page_of(echo), follow=True)

    page = text_of(answer)
    assert is_on(echo)
    assert (
        "WebSockets is on for echo, on every version, the active one included." in page
    )
    assert ("View in Activity" in page) is link


def test_every_conflict_is_shown_when_switching_on(browser, eve, acme, echo, enabled):
    live = live_version(echo, "echo.example.com")
    BackendFactory.create(version=live, name="near", shield="frankfurt-de")
    BackendFactory.create(version=live, name="far", shield="tokyo-jp")
    before = actions_of(acme)

    answer = browser(eve).post(page_of(echo), follow=True)

    page = text_of(answer)
    assert "WebSockets was not switched on for echo." in page
    assert "Backend near uses the shield frankfurt-de" in page
    assert "Backend far uses the shield tokyo-jp" in page
    assert page.count("Shield of far") == 1
    field = "backend/edit/far/?field=shield#id_shield"
    assert f"/services/{echo.pk}/versions/1/{field}" in answer.content.decode()
    assert not is_on(echo)
    assert actions_of(acme) == before


def test_a_product_not_enabled_for_the_account_is_not_switched_on(
    browser, eve, echo, websockets
):
    answer = browser(eve).post(page_of(echo), follow=True)

    assert 'role="alert"' in answer.content.decode()
    assert not is_on(echo)


@pytest.mark.parametrize(
    ("who", "status"), [("una", 403), ("bo", 403), ("lin", 403), ("stan", 404)]
)
def test_others_switch_nothing(request, browser, switched_on, who, status):
    client = browser(request.getfixturevalue(who))

    answers = [
        client.post(page_of(switched_on, "switch_on")),
        client.get(page_of(switched_on, "switch_off")),
        client.post(page_of(switched_on, "switch_off")),
    ]

    assert [answer.status_code for answer in answers] == [status] * 3
    assert is_on(switched_on)


def test_the_review_says_what_stops_working(browser, eve, switched_on, draft, now):
    activate(eve, version=draft, now=now)

    answer = browser(eve).get(page_of(switched_on, "switch_off"))

    page = text_of(answer)
    assert "Switch WebSockets off for echo" in page
    assert "Domain echo.example.com Open connections No connection is open." in page
    assert "Who can switch it on again: Eve and Sam." in page
    assert "Type echo to confirm" not in page


def test_it_is_switched_off_after_the_review(browser, eve, switched_on):
    client = browser(eve)

    answer = client.post(page_of(switched_on, "switch_off"), follow=True)
    again = client.get(page_of(switched_on, "switch_off"), follow=True)

    assert not is_on(switched_on)
    assert answer.redirect_chain == [(f"/services/{switched_on.pk}/", 303)]
    assert "WebSockets is off for echo. New connections are refused" in text_of(answer)
    assert "WebSockets is already off for echo." in text_of(again)


def test_with_open_connections_the_name_of_the_service_is_typed(
    browser, eve, switched_on
):
    now = timezone.now()
    opened = {"service": switched_on.pk, "started_at": now - timedelta(seconds=90)}
    take(
        make_edge(last_seen_at=now),
        record(1, month=f"{now:%Y-%m}", **opened),
        record(2, month=f"{now:%Y-%m}", **opened),
        now=now,
    )
    client = browser(eve)
    page = page_of(switched_on, "switch_off")

    shown = text_of(client.get(page))
    without = client.post(page)
    still_on = is_on(switched_on)
    wrong = client.post(page, {"typed": "shop"})
    typed = client.post(page, {"typed": "Echo"})

    assert "2 are open. They close within 60 seconds" in shown
    assert (without.status_code, wrong.status_code, still_on) == (400, 400, True)
    assert "Type echo exactly." in text_of(wrong)
    assert (typed.status_code, is_on(switched_on)) == (303, False)


def test_connections_at_an_edge_that_is_not_reporting_count_as_open(
    browser, eve, switched_on
):
    make_edge(last_seen_at=timezone.now() - timedelta(minutes=10))

    page = text_of(browser(eve).get(page_of(switched_on, "switch_off")))

    assert "Some may be open: an edge isn't reporting." in page
    assert "Type echo to confirm" in page


def test_a_product_of_a_package_is_switched_on_and_off_on_the_services_page(
    browser, ada, eve, acme, echo, ngwaf
):
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assign_package(ada, account=acme, plan=plan, now=timezone.now())
    client = browser(eve)
    at_echo = [echo.pk, "ngwaf"]
    service = reverse("service", args=[echo.pk])
    assert "Switch on Next-Gen WAF" in text_of(client.get(service))

    on = client.post(reverse("product_on", args=at_echo), follow=True)
    off = reverse("product_off", args=at_echo)
    asked = text_of(client.get(off))

    assert "Next-Gen WAF is on for echo" in text_of(on)
    assert switch_of(echo, "ngwaf") is not None
    assert "Switch Next-Gen WAF off for echo?" in asked
    assert "Next-Gen WAF is off for echo." in text_of(client.post(off, follow=True))
    assert switch_of(echo, "ngwaf") is None
    assert "already off" in text_of(client.get(off, follow=True))


def test_a_product_that_the_account_does_not_have_is_not_offered_and_refused(
    browser, eve, echo, ngwaf
):
    client = browser(eve)
    service = reverse("service", args=[echo.pk])
    assert "Next-Gen WAF" not in text_of(client.get(service))

    refused = client.post(reverse("product_on", args=[echo.pk, "ngwaf"]), follow=True)

    assert "Next-Gen WAF was not switched on for echo." in text_of(refused)
    assert switch_of(echo, "ngwaf") is None
