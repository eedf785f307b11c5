"""`/api/v1/usage`: a month's usage of the services that the reader may see."""

import pytest

from tests.factories.keys import client_of
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import delivery, make_edge, record, take


@pytest.fixture
def other(acme):
    return ServiceFactory.create(account=acme, name="other")


@pytest.fixture
def used(shop, other):
    """Report two connections and an hour of ordinary HTTP."""
    take(
        make_edge(),
        record(1, service=shop.pk),
        record(2, service=other.pk),
        delivery(service=shop.pk),
    )


def test_a_month_has_connections_and_ordinary_http_by_service(una, acme, shop, used):
    body = client_of(una).get("/api/v1/usage?month=2026-11").json()

    assert {
        key: body[key] for key in ("account", "month", "minutes", "connections")
    } == {
        "account": acme.pk,
        "month": "2026-11",
        "minutes": 4,
        "connections": 2,
    }
    counts = {"requests": 3, "bytes_from_client": 900, "bytes_to_client": 70_000}
    assert body["delivery"] == counts | {"services": {shop.pk: counts}}
    assert body["complete_to"] == "2026-11-22T12:00:00Z"


def test_a_limited_member_sees_only_the_usage_of_their_services(lin, shop, other, used):
    body = client_of(lin).get("/api/v1/usage?month=2026-11").json()

    assert (list(body["services"]), body["minutes"]) == ([shop.pk], 2)


def test_without_a_month_it_is_the_current_one(una, used, time_machine):
    time_machine.move_to("2026-12-05T12:00:00Z", tick=False)

    body = client_of(una).get("/api/v1/usage").json()

    assert (body["month"], body["connections"], body["services"]) == ("2026-12", 0, {})


@pytest.mark.parametrize(
    "month", ["2026-13", "11", "9999-12", "0001-01", "0000-01", "x"]
)
def test_what_is_not_a_month_is_refused_at_the_field(una, month):
    answer = client_of(una).get(f"/api/v1/usage?month={month}")

    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["fields"]] == ["month"]


def test_another_account_s_usage_is_not_in_it(stan, used):
    assert client_of(stan).get("/api/v1/usage?month=2026-11").json()["connections"] == 0
