"""The list of services: access, order and pages."""

import pytest

from tests.factories.keys import client_of
from tests.factories.services import (
    ServiceFactory,
    VersionFactory,
    live_version,
)


def test_the_list_has_the_active_or_the_latest_number(eve, shop, acme):
    live_version(shop, "shop.example.com", number=1)
    VersionFactory.create(service=shop, number=2)
    other = ServiceFactory.create(account=acme, name="other")
    VersionFactory.create(service=other, number=1)
    VersionFactory.create(service=other, number=2)

    answer = client_of(eve).get("/api/service?sort=name&direction=descend")

    rows = answer.json()
    assert [(row["name"], row["version"]) for row in rows] == [
        ("shop", 1),
        ("other", 2),
    ]
    assert [each["number"] for each in rows[0]["versions"]] == [1, 2]
    assert "Link" not in answer.headers


def test_the_list_is_paged_by_the_link_header(eve, acme):
    ServiceFactory.create_batch(5, account=acme)

    answer = client_of(eve).get("/api/service?page=2&per_page=2")

    query = "per_page=2&sort=created&direction=ascend"
    base = "http://testserver/api/service"
    assert len(answer.json()) == 2
    assert answer.headers["Link"] == (
        f'<{base}?page=1&{query}>; rel="first", <{base}?page=1&{query}>; rel="prev", '
        f'<{base}?page=3&{query}>; rel="next", <{base}?page=3&{query}>; rel="last"'
    )


def test_the_last_page_has_no_next_link(eve, acme):
    ServiceFactory.create_batch(3, account=acme)

    answer = client_of(eve).get("/api/service?page=2&per_page=2")

    assert len(answer.json()) == 1
    assert 'rel="next"' not in answer.headers["Link"]


def test_a_page_after_the_last_leads_back_to_the_last(sam, acme):
    ServiceFactory.create_batch(3, account=acme)

    classic = client_of(sam).get("/api/service?page=9&per_page=2")
    json_api = client_of(sam).get("/api/service-authorizations?page[number]=9")

    assert (
        '/api/service?page=2&per_page=2&sort=created&direction=ascend>; rel="prev"'
        in (classic.headers["Link"])
    )
    assert "page%5Bnumber%5D=1&" in json_api.json()["links"]["prev"]


@pytest.mark.parametrize(
    "query", ["page=0", "per_page=1001", "page=x", "sort=colour", "direction=up"]
)
def test_an_invalid_page_is_a_400(eve, query):
    answer = client_of(eve).get(f"/api/service?{query}")

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{query.partition('=')[0]}: ")


def test_the_list_costs_the_same_for_one_service_and_for_many(
    eve, acme, django_assert_num_queries
):
    api = client_of(eve)
    api.get("/api/service")
    for service in ServiceFactory.create_batch(10, account=acme):
        VersionFactory.create(service=service)

    with django_assert_num_queries(5):
        answer = api.get("/api/service")

    assert len(answer.json()) == 10


def test_a_limited_member_lists_only_their_services(lin, shop, acme):
    ServiceFactory.create(account=acme, name="other")

    answer = client_of(lin).get("/api/service")

    assert [row["id"] for row in answer.json()] == [shop.pk]


def test_a_limited_token_lists_only_its_services(eve, shop, acme):
    ServiceFactory.create(account=acme, name="other")

    answer = client_of(eve, services=(shop.pk,)).get("/api/service")

    assert [row["id"] for row in answer.json()] == [shop.pk]
