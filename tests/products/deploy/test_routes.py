"""The route table: what is live and entitled, made anew only where a trail has moved."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from accounts.actor import Actor
from accounts.models import Account
from products.deploy import routes
from products.deploy.commands import activate
from products.deploy.routes import published
from products.edge.contract import RouteTable
from products.enablement.commands import (
    disable,
    disable_for_service,
    enable_for_service,
)
from products.metering.commands import issue_credential
from products.metering.queries import edge_of
from products.services.models import Service
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.services import BackendFactory, DomainFactory, VersionFactory

LATER = NOW + timedelta(hours=1)
OPERATOR = Actor.system("edge-credential")


@pytest.fixture(autouse=True)
def _empty_shelf(monkeypatch):
    monkeypatch.setattr(routes, "_shelf", routes._RouteTableCache())


@pytest.fixture
def live(eve, draft):
    """Put the draft live."""
    activate(eve, version=draft, now=NOW)
    return draft


def table(height: int) -> RouteTable:
    return RouteTable.from_json(json.loads(published(at_height=height, now=NOW).body))


def test_a_live_service_is_a_route_that_refuses_until_it_is_entitled(echo, live):
    (route,) = table(1).routes

    assert (route.service, route.hosts) == (echo.pk, ("echo.example.com",))
    assert (route.websockets, route.refusal) == (
        False,
        "WebSockets is not enabled for this account.",
    )
    assert route.origin is not None
    assert (route.origin.address, route.origin.port) == ("origin.example.com", 80)
    assert (route.month, route.month_ends_at) == ("2026-11", "2026-12-01T00:00:00Z")


def test_account_and_service_together_entitle(sam, eve, acme, echo, live, websockets):
    entitle(sam, acme, websockets)
    assert (
        table(1).routes[0].refusal == "WebSockets is not switched on for this service."
    )

    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    assert table(2).routes[0].websockets
    assert table(2).routes[0].refusal == ""


@pytest.mark.parametrize(
    ("drain_mode", "until"), [("cut", ""), ("keep", ""), ("drain", "T13:01:00Z")]
)
def test_disabling_says_what_becomes_of_open_connections(
    sam, eve, acme, echo, live, websockets, drain_mode, until
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    disable(sam, account=acme, product=websockets, drain_mode=drain_mode, now=LATER)

    (route,) = table(1).routes

    assert (route.websockets, route.open_connections) == (False, drain_mode)
    assert route.drain_until.endswith(until)


def test_switching_the_service_off_drains(sam, eve, acme, echo, live, websockets):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    disable_for_service(eve, service=echo, product=websockets, now=LATER)

    (route,) = table(1).routes

    assert (route.open_connections, route.drain_until) == (
        "drain",
        "2026-11-22T13:01:00Z",
    )


def test_a_suspended_account_is_cut(acme, live):
    Account.objects.update(suspended_at=NOW, suspension_reason="unpaid")

    (route,) = table(1).routes

    assert (route.refusal, route.open_connections) == (
        "This account is suspended.",
        "cut",
    )


def test_an_unchanged_height_costs_no_query(live, django_assert_num_queries):
    first = published(at_height=7, now=NOW)

    with django_assert_num_queries(0):
        again = published(at_height=7, now=NOW)

    assert again is first


@pytest.mark.parametrize("services", [1, 40])
def test_a_table_costs_the_same_queries_for_any_number_of_services(
    services, sam, eve, acme, live, websockets, django_assert_num_queries
):
    entitle(sam, acme, websockets)
    for version in VersionFactory.create_batch(
        services, live=True, service__account=acme
    ):
        DomainFactory(version=version)
        BackendFactory(version=version)
    for service in Service.objects.filter(account=acme):
        enable_for_service(eve, service=service, product=websockets, now=NOW)

    with django_assert_num_queries(12):
        made = published(at_height=1, now=NOW)

    assert len(made.routes) == services + 1


def test_a_change_that_touches_no_route_makes_no_new_table(eve, live, sam, acme):
    first = published(at_height=7, now=NOW)
    issue_credential(OPERATOR, name="edge-9", now=NOW)

    again = published(at_height=8, now=NOW)

    assert again.etag == first.etag


def test_the_end_of_a_month_makes_a_new_table(live):
    first = published(at_height=7, now=NOW)

    again = published(at_height=7, now=datetime(2026, 12, 1, tzinfo=UTC))

    assert again.etag != first.etag
    assert json.loads(again.body)["routes"][0]["month"] == "2026-12"


def test_the_height_moves_with_every_change_in_the_credentials_own_query(
    live, django_assert_num_queries
):
    issued = issue_credential(OPERATOR, name="edge-1", now=NOW)

    with django_assert_num_queries(1):
        edge = edge_of(issued.secret)

    assert edge is not None
    assert edge.trails_height == 2


@pytest.mark.parametrize(
    ("zone", "now", "month", "ends"),
    [
        ("UTC", "2026-12-31T23:59:59+00:00", "2026-12", "2027-01-01T00:00:00+00:00"),
        (
            "Europe/Berlin",
            "2026-03-31T21:59:59+00:00",
            "2026-03",
            "2026-03-31T22:00:00+00:00",
        ),
        (
            "Europe/Berlin",
            "2026-03-31T22:00:00+00:00",
            "2026-04",
            "2026-04-30T22:00:00+00:00",
        ),
    ],
)
def test_months_are_the_accounts_own(live, zone, now, month, ends):
    Account.objects.update(billing_zone=zone)

    made = published(at_height=1, now=datetime.fromisoformat(now))

    (route,) = RouteTable.from_json(json.loads(made.body)).routes
    found = (route.month, datetime.fromisoformat(route.month_ends_at))
    assert found == (month, datetime.fromisoformat(ends))
