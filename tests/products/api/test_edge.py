"""The route table as edges get it."""

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


def asking(secret=SECRET, **headers):
    return Client().get(PATH, headers={"Authorization": f"Bearer {secret}"} | headers)


def test_an_edge_is_given_the_table(edge, eve, shop, draft):
    client_of(eve).put(f"/api/service/{shop.pk}/version/1/activate")

    answer = asking()

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
    before = asking()
    etag = before.headers["ETag"]
    ServiceProduct.objects.all().delete()  # as in the backup

    declare_restored(Actor.system("restored"), now=NOW)
    after = asking(**{"If-None-Match": etag})

    assert websockets_in(before) == [True]
    assert websockets_in(after) == [False]


def websockets_in(answer):
    table = RouteTable.from_bytes(answer.content)
    return [route.websockets for route in table.routes]


def test_an_edge_that_has_the_table_gets_304(edge):
    etag = asking().headers["ETag"]

    answer = asking(**{"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag


def test_a_change_makes_another_table(edge, eve, shop, draft):
    etag = asking().headers["ETag"]
    client_of(eve).put(f"/api/service/{shop.pk}/version/1/activate")

    answer = asking(**{"If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != etag


def test_an_unchanged_table_costs_the_credential_s_query_alone(
    edge, django_assert_num_queries
):
    etag = asking().headers["ETag"]

    with django_assert_num_queries(1):
        answer = asking(**{"If-None-Match": etag})

    assert answer.status_code == 304


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {SECRET}"]
)
def test_without_a_credential_there_is_no_table(edge, header):
    answer = Client().get(PATH, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json() == {"msg": "Provided credentials are missing or invalid"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_credential_opens_nothing(edge):
    Edge.objects.update(revoked_at=NOW)

    assert asking().status_code == 401


def test_a_customer_s_key_is_no_edge_s_credential(edge, sam):
    as_bearer = asking(key_of(sam))
    as_key = client_of(sam).get(PATH)

    assert (as_bearer.status_code, as_key.status_code) == (401, 401)


def test_an_edge_s_credential_is_no_key(edge):
    answer = Client(headers={"Fastly-Key": SECRET}).get("/api/service")

    assert answer.status_code == 401
