"""The route table that edges get."""

import pytest
from django.test import Client

from accounts.actor import Actor
from accounts.tokens import digest
from products.edge.contract import RouteTable
from products.enablement.models import ServiceProduct
from products.metering.commands import declare_restored
from products.metering.models import Edge
from tests.factories import NOW
from tests.factories.keys import client_of, key_of

PATH = "/api/edge/v1/routes"
SECRET = "an edge's credential"


@pytest.fixture
def edge(db):
    """Return an edge whose credential is SECRET."""
    return Edge.objects.create(name="lon-1", digest=digest(SECRET), created_at=NOW)


def request_table(secret=SECRET, **headers):
    return Client().get(PATH, headers={"Authorization": f"Bearer {secret}"} | headers)


def test_an_edge_gets_the_table(edge, eve, shop, draft):
    activated = client_of(eve).put(f"/api/service/{shop.pk}/version/1/activate")
    assert activated.status_code == 200

    answer = request_table()

    table = RouteTable.from_bytes(answer.content)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    routes = {route.service: route for route in table.routes}
    assert routes[shop.pk].hosts == ("shop.example.com",)
    assert routes[shop.pk].websockets is False


def test_a_database_restored_under_a_running_portal_is_served(
    edge, eve, shop, draft, entitled
):
    """Its revisions are those of the database before, and its routes are not (R12)."""
    api = client_of(eve)
    api.put(f"/api/service/{shop.pk}/version/1/activate")
    api.put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")
    before = request_table()
    etag = before.headers["ETag"]
    ServiceProduct.objects.all().delete()  # as in the backup

    declare_restored(Actor.system("restored"), now=NOW)
    after = request_table(**{"If-None-Match": etag})

    assert websockets_in(before) == [True]
    assert websockets_in(after) == [False]


def websockets_in(answer):
    table = RouteTable.from_bytes(answer.content)
    return [route.websockets for route in table.routes]


def test_an_edge_that_has_the_table_gets_304(edge):
    etag = request_table().headers["ETag"]

    answer = request_table(**{"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag


def test_a_change_results_in_a_new_table(edge, eve, shop, draft):
    etag = request_table().headers["ETag"]
    client_of(eve).put(f"/api/service/{shop.pk}/version/1/activate")

    answer = request_table(**{"If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != etag


def test_an_unchanged_table_costs_only_the_query_for_the_credential(
    edge, django_assert_num_queries
):
    etag = request_table().headers["ETag"]

    with django_assert_num_queries(1):
        answer = request_table(**{"If-None-Match": etag})

    assert answer.status_code == 304


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {SECRET}"]
)
def test_a_request_without_a_credential_gets_no_table(edge, header):
    answer = Client().get(PATH, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["msg"] == "Provided credentials are missing or invalid"
    assert "edge's credential" in answer.json()["detail"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_credential_gets_no_table(edge):
    Edge.objects.update(revoked_at=NOW)

    assert request_table().status_code == 401


def test_an_api_token_is_not_accepted_as_a_credential(edge, sam):
    as_bearer = request_table(key_of(sam))
    as_key = client_of(sam).get(PATH)

    assert (as_bearer.status_code, as_key.status_code) == (401, 401)


def test_a_credential_is_not_accepted_as_an_api_token(edge):
    answer = Client(headers={"Fastly-Key": SECRET}).get("/api/service")

    assert answer.status_code == 401
