"""Query parameters without effect are refused; every other one has an effect."""

from datetime import timedelta
from urllib.parse import parse_qsl

import pytest
from django.test import Client

from accounts.models import ApiToken
from portal.openapi.operations import described, endpoints
from portal.openapi.schemas import query_names
from products.services.models import Item, Service
from products.webhooks.models import Delivery
from tests.access.routes import samples
from tests.factories import NOW
from tests.factories.invoices import invoice
from tests.factories.keys import FORM, key_of
from tests.factories.services import parts
from tests.factories.shared_world import shared_world, world
from tests.products.metering.reports import delivery, make_edge, record, take

__all__ = ["shared_world", "world"]

LATER = NOW + timedelta(hours=1)
NO_EFFECT = {
    "include": "there are no addresses of a staging network to include",
}
# Other parameters that a request needs, and a value that changes its response.
CHANGING = {
    "after": ("", "99"),
    "before": ("", "0"),
    "billable_units": ("", "true"),
    "billing_end_date": ("", "2020-01-01"),
    "billing_start_date": ("", "2030-01-01"),
    "by": ("", "hour"),
    "cursor": ("", "zzz"),  # after every id
    "datacenter": ("", "elsewhere"),
    "direction": ("", "descend"),
    "end_month": ("start_month=2026-11&end_month=2026-11", "2026-12"),
    "end_time": ("start_time=1795305600&end_time=1795309200", "1795352400"),
    "filter[created_at]": ("", "2020-01-01T00:00:00Z"),
    "filter[created_at][gt]": ("", "2030-01-01T00:00:00Z"),
    "filter[created_at][gte]": ("", "2030-01-01T00:00:00Z"),
    "filter[created_at][lt]": ("", "2020-01-01T00:00:00Z"),
    "filter[created_at][lte]": ("", "2020-01-01T00:00:00Z"),
    "filter[customer_id]": ("", "x"),
    "filter[event_type]": ("", "x"),
    "filter[sequence][gt]": ("", "99"),
    "filter[sequence][gte]": ("", "99"),
    "filter[sequence][lt]": ("", "0"),
    "filter[sequence][lte]": ("", "0"),
    "filter[service_id]": ("", "x"),
    "filter[token_id]": ("", "x"),
    "filter[user_id]": ("", "x"),
    "filter[versions.active]": ("", "true"),
    "filter[versions.staged]": ("", "true"),
    "format": ("", "html"),
    "from": ("", "2026-11-01"),
    "group_by": ("", "region"),
    "limit": ("", "1"),
    "metric": ("", "upgrade"),
    "metric_set": ("", "websockets"),
    "month": ("", "2020-01"),
    "name": ("name=shop", "echo"),
    "no_content": ("", "1"),
    "page": ("", "2"),
    "page[number]": ("", "2"),
    "page[size]": ("", "1"),
    "per_page": ("", "1"),
    "product_id": ("", "delivery"),
    "region": ("", "usa"),
    "service": ("", "x"),
    "services": ("", "x"),
    "sort": ("", "name"),
    "start_month": ("start_month=2026-11&end_month=2026-11", "2026-10"),
    "start_time": ("start_time=1795305600", "1795348800"),
    "strict": ("", "1"),
    "to": ("", "2026-11-20"),
    "usage_type_name": ("", "x"),
    "version": ("", "1"),
    "year": ("", "2020"),
}
OF_OPERATION = {
    ("/api/service/{service_id}/details", "version"): ("", "2"),
    ("/api/v1/webhooks/{webhook_id}/deliveries", "before"): ("", "1"),
    ("/api/events", "sort"): ("", "created_at"),
    ("/api/v1/decision", "service"): ("service={service_id}", "x"),
    ("/api/v1/decision", "strict"): ("service={service_id}", "1"),
    ("/api/v1/decision", "version"): ("service={service_id}", "1"),
    ("/api/v1/domain-claims", "search"): ("", "x"),
    ("/api/v1/domain-claims", "after"): ("", "zzz"),
    ("/api/v1/trail", "limit"): ("", "1"),
    ("/api/stats/usage_by_month", "month"): ("", "1"),
    ("/api/service/{service_id}/stats/summary", "month"): ("", "1"),
}


PARAMETERS = sorted(
    (endpoint.path, name)
    for endpoint in endpoints()
    for method in endpoint.methods
    for name in query_names(described(endpoint, method))
    if name not in NO_EFFECT
)


def api(world):
    return Client(headers={"Fastly-Key": world.keys["superuser"]})


@pytest.fixture
def lists(world, time_machine):
    """Two rows of each list, in an order that can be seen; usage that an edge just reported."""
    time_machine.move_to("2026-11-22T12:00:15Z", tick=False)
    take(make_edge(), record(service=world.shop.pk), delivery(service=world.shop.pk))
    Service.objects.filter(name="echo").update(created_at=LATER)
    Item.objects.filter(name="other").update(updated_at=LATER)
    services = Service.objects.filter(account=world.acme).values_list("pk", flat=True)
    ApiToken.objects.filter(pk=world.automation.pk).update(services=list(services))
    key_of(world.people["superuser"])
    invoice(world.acme, "2026-10", "INV-900002")
    Delivery.objects.bulk_create(
        Delivery(
            webhook=world.webhook, sequence=each, event="version.cloned", created_at=NOW
        )
        for each in (1, 2)
    )
    parts("backend", version=world.draft).delete()


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_every_parameter_has_an_effect(world, lists, path, name):
    known = samples(world) | {"granularity": "hourly"}
    needed, value = OF_OPERATION.get((path, name)) or CHANGING[name]
    url, query = path.format_map(known), dict(parse_qsl(needed.format_map(known)))

    without = api(world).get(url, query)
    with_it = api(world).get(url, query | {name: value})

    assert without.status_code == 200
    assert (without.content, without.get("Link")) != (
        with_it.content,
        with_it.get("Link"),
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("service?sorted=name", "sorted. Use page, per_page, sort, direction."),
        ("service/{service_id}/version?page=2", "page. Use none here."),
        ("stats?form=1+day+ago&by=day&until=now", "form, until. Use from, to, by"),
        (
            "customer/{customer_id}/users?filter[role]=user&page=1",
            "filter[role]. Use page",
        ),
    ],
)
def test_an_unknown_parameter_is_refused(world, path, said):
    answer = api(world).get(f"/api/{path.format_map(samples(world))}")

    assert answer.status_code == 400
    assert answer.json()["msg"] == "Bad request"
    assert f"Unknown query parameters: {said}" in answer.json()["detail"]


def test_a_refusal_has_the_form_of_its_path(world):
    events = api(world).get("/api/events?filter[role]=x")
    usage = api(world).get("/api/v1/usage?mont=2026-10")

    assert events.json()["errors"][0]["status"] == "400"
    assert usage["Content-Type"] == "application/problem+json"
    assert (usage.status_code, usage.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("month=2026-10&mont=2026-11", "mont"),
        ("month=2026-10&monat=1&mes=1", "monat"),
        ("month=2026-10&month=2026-11", "month"),
    ],
)
def test_the_field_of_a_problem_is_the_parameter_that_is_refused(world, query, field):
    answer = api(world).get(f"/api/v1/usage?{query}")

    assert [each["field"] for each in answer.json()["fields"]] == [field]


def test_a_parameter_is_sent_once(world):
    answer = api(world).get("/api/service?page=1&page=2")

    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "Send page once only.",
    )


def test_a_write_with_an_unknown_parameter_changes_nothing(world):
    answer = api(world).post("/api/service?comment=x", "name=new", FORM)

    assert answer.status_code == 400
    assert not Service.objects.filter(account=world.acme, name="new").exists()


def test_pages_accept_any_parameter(client, db):
    assert client.get("/accounts/login/?unknown=x").status_code == 200
