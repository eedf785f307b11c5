"""The part of pages that shows current usage, whose numbers refresh themselves."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import User
from products.enablement.commands import enable_for_service
from products.metering.models import Edge
from products.services.models import Service
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import make_edge, record, take
from tests.products.web.conftest import text_of


@pytest.fixture
def edge(shop) -> Edge:
    """Return an edge on which three connections are open: two on `shop`, one on `chat`."""
    edge = make_edge("edge-1")
    chat = ServiceFactory.create(account=shop.account, name="chat")
    take(
        edge,
        record(1, service=shop.pk),
        record(2, service=shop.pk),
        record(3, service=chat.pk),
    )
    return edge


def text_at(person, address: str, *, at=NOW) -> tuple[int, str]:
    client = Client(raise_request_exception=False)
    with time_machine.travel(at, tick=False):
        client.force_login(User.objects.get(pk=person.user_id))
        answer = client.get(address)
    return answer.status_code, " ".join(answer.content.decode().split())


def today(connections: int, minutes: int) -> str:
    words = f"{connections} connections and {minutes} minutes today"
    return f'<span class="small quiet">{words}</span>'


def test_the_numbers_of_an_account_have_nothing_that_can_have_the_focus(
    edge, una, shop
):
    status, page = text_at(una, reverse("live"))

    assert status == 200
    assert "<a " not in page
    assert "tabindex" not in page
    assert "hx-get" not in page
    assert "<dt>Connections open now</dt> <dd> 3 </dd>" in page
    assert f"<dt>at edge-1</dt> <dd> 3 open now, {today(3, 6)} </dd>" in page
    assert (
        f"<dt>shop</dt> <dd> 2 open now, {today(2, 4)} </dd> "
        f'<dt>chat</dt> <dd> 1 open now, <span class="small quiet">1 connection'
    ) in page
    assert "<dt>Connections today</dt> <dd> 3 </dd>" in page
    assert "<dt>Minutes today</dt> <dd> 6 </dd>" in page
    assert "isn't reporting" not in page


def test_an_account_s_usage_includes_deleted_services(edge, una, shop):
    Service.objects.filter(pk=shop.pk).update(deleted_at=NOW)

    page = text_at(una, reverse("live"))[1]

    assert "<dt>Connections today</dt> <dd> 3 </dd>" in page
    assert "<dt>Minutes today</dt> <dd> 6 </dd>" in page
    assert "<dt>shop</dt>" not in page
    assert "<dt>chat</dt>" in page


def test_a_service_shows_only_its_own_usage(edge, una, shop):
    status, page = text_at(una, reverse("live_service", args=[shop.pk]))

    assert status == 200
    assert "<dt>Connections open now</dt> <dd> 2 </dd>" in page
    assert f"<dt>at edge-1</dt> <dd> 2 open now, {today(2, 4)} </dd>" in page
    assert "<dt>Minutes today</dt> <dd> 4 </dd>" in page


def test_an_edge_that_does_not_report_is_mentioned(edge, una):
    Edge.objects.update(last_seen_at=NOW.replace(hour=11, minute=58))

    page = text_at(una, reverse("live"))[1]

    assert "isn't reporting" in page
    assert "2026-11-22 11:58:00 UTC" in page or "11:58" in page


def test_a_lost_edge_is_no_longer_mentioned(edge, una):
    make_edge("retired", last_seen_at=NOW - timedelta(days=30))

    page = text_at(una, reverse("live"))[1]

    assert "isn't reporting" not in page


def test_a_limited_member_sees_the_usage_of_their_services(edge, lin, shop):
    page = text_at(lin, reverse("live"))[1]

    assert "<dt>Connections open now</dt> <dd> 2 </dd>" in page
    assert "chat" not in page


def test_a_non_member_sees_no_usage_of_another_account(edge, stan, shop):
    status = text_at(stan, reverse("live_service", args=[shop.pk]))[0]
    page = text_at(stan, reverse("live"))[1]

    assert status == 404
    assert "<dt>Connections open now</dt> <dd> 0 </dd>" in page


def test_the_most_used_services_are_listed_and_the_others_linked(
    browser, sam, enabled, acme, websockets
):
    for number in range(7):
        service = ServiceFactory.create(account=acme, name=f"service-{number}")
        enable_for_service(sam, service=service, product=websockets, now=NOW)
    ServiceFactory.create(account=acme, name="another")

    page = text_of(browser(sam).get("/products/"))

    assert "All services with WebSockets on (7)" in page
    assert "and 4 more" in page
    assert "service-4 0 open now," in page
    assert "service-5" not in page
    assert "another" not in page
