"""The fragment of pages that shows current usage and refreshes itself."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import User
from products.metering.models import Edge
from products.services.models import Service
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import make_edge, record, take


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


def test_an_account_s_usage_refreshes_itself(edge, una, shop):
    status, page = text_at(una, reverse("live"))

    assert status == 200
    assert 'hx-get="/live/" hx-trigger="every 5s" hx-swap="outerHTML"' in page
    assert "<dt>Connections open now</dt> <dd> 3 </dd>" in page
    assert f"<dt>at edge-1</dt> <dd> 3 open now {today(3, 6)} </dd>" in page
    assert (
        f'<a href="/services/{shop.pk}/">shop</a> </dt> <dd> 2 open now {today(2, 4)} </dd>'
        in page
    )
    assert "<dt>Connections today</dt> <dd> 3 </dd>" in page
    assert "<dt>Minutes today</dt> <dd> 6 </dd>" in page
    assert "isn't reporting" not in page


def test_an_account_s_usage_includes_deleted_services(edge, una, shop):
    Service.objects.filter(pk=shop.pk).update(deleted_at=NOW)

    page = text_at(una, reverse("live"))[1]

    assert "<dt>Connections today</dt> <dd> 3 </dd>" in page
    assert "<dt>Minutes today</dt> <dd> 6 </dd>" in page
    assert f"/services/{shop.pk}/" not in page
    assert "chat</a>" in page


def test_a_service_shows_only_its_own_usage(edge, una, shop):
    status, page = text_at(una, reverse("live_service", args=[shop.pk]))

    assert status == 200
    assert f'hx-get="/services/{shop.pk}/live/"' in page
    assert "<dt>Connections open now</dt> <dd> 2 </dd>" in page
    assert f"<dt>at edge-1</dt> <dd> 2 open now {today(2, 4)} </dd>" in page
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
