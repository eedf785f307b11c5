"""The API that switches products on and off for a service."""

import pytest

from accounts.audit.models import AuditEvent
from products.enablement.models import ServiceProduct
from products.services.models import Backend
from tests.factories.keys import client_of
from tests.factories.services import live_version

JSON = "application/json"


@pytest.fixture(params=["/api/enabled-products/v1", "/api/enabled-products"])
def path(request, shop):
    """Return the path of the product on the service, with and without the version of the API."""
    return f"{request.param}/websockets/services/{shop.pk}"


def shown(service):
    return {
        "product": {"id": "websockets", "object": "product"},
        "service": {"id": service.pk, "object": "service"},
        "_links": {},
    }


def refused(title, detail):
    return {
        "type": "",
        "title": title,
        "status": 400,
        "errors": None,
        "detail": detail,
    }


def test_a_product_that_is_off_is_a_400_in_fastlys_format(eve, path, websockets):
    answer = client_of(eve).get(path)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == refused("no product on service", "")


@pytest.mark.parametrize("body", ["", "{}"])
def test_switching_a_product_on_twice_succeeds(eve, path, shop, entitled, body):
    api = client_of(eve)

    answers = [api.put(path, body, JSON), api.put(path, body, JSON), api.get(path)]

    assert [each.status_code for each in answers] == [200, 200, 200]
    assert [each.json() for each in answers] == [shown(shop)] * 3
    assert [row.action for row in AuditEvent.objects.all()] == [
        "service_product.enabled"
    ]


def test_switching_a_product_off_twice_succeeds(eve, path, entitled):
    api = client_of(eve)
    api.put(path, "", JSON)

    answers = [api.delete(path), api.delete(path)]

    assert [(each.status_code, each.content) for each in answers] == [
        (204, b""),
        (204, b""),
    ]
    assert api.get(path).status_code == 400
    assert not ServiceProduct.objects.filter(ends_at=None).exists()


def test_without_an_enablement_the_account_is_not_entitled(eve, path, websockets):
    answer = client_of(eve).put(path, "{}", JSON)

    assert answer.status_code == 400
    assert answer.json() == refused(
        "not entitled to enable",
        "WebSockets is not enabled for this account. A superuser can enable it on the "
        "Products page.",
    )
    assert not ServiceProduct.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("person", ["una", "bo"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_others_cannot_switch_a_product_on(person, method, path, entitled, request):
    api = client_of(request.getfixturevalue(person))

    answer = api.generic(method, path, "", JSON)

    assert answer.status_code == 403
    assert not ServiceProduct.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_limited_engineer_switches_a_product_on_for_their_service(
    lin, path, entitled
):
    answer = client_of(lin).put(path, "", JSON)

    assert answer.status_code == 200


def test_an_active_version_that_shields_is_refused_with_every_reason(
    eve, path, shop, entitled
):
    live_version(shop, "shop.example.com")
    Backend.objects.update(shield="lon-uk", ssl_check_cert=False)

    answer = client_of(eve).put(path, "", JSON)

    body = answer.json()
    assert answer.status_code == 400
    assert body["title"] == "product cannot be enabled"
    assert body["errors"] is None
    assert "shield" in body["detail"]
    assert "certificate" in body["detail"]
    assert not ServiceProduct.objects.exists()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_product_is_400_in_fastlys_format(eve, shop, websockets, method):
    path = f"/api/enabled-products/v1/warp/services/{shop.pk}"

    answer = client_of(eve).generic(method, path)

    assert answer.status_code == 400
    assert answer.json() == refused(
        "product does not exist", "The catalogue has no product 'warp'."
    )


def test_the_services_with_a_product_are_listed(eve, shop, acme, entitled):
    api = client_of(eve)
    api.put(f"/api/enabled-products/v1/websockets/services/{shop.pk}", "", JSON)

    answer = api.get("/api/enabled-products/v1/websockets/services")

    assert answer.json() == {
        "product": {"id": "websockets", "object": "product"},
        "customer": {"id": acme.pk, "object": "customer"},
        "services": [shop.pk],
        "_links": {},
    }


def test_another_account_lists_nothing(eve, stan, shop, entitled):
    client_of(eve).put(
        f"/api/enabled-products/v1/websockets/services/{shop.pk}", "", JSON
    )

    answer = client_of(stan).get("/api/enabled-products/v1/websockets/services")

    assert answer.json()["services"] == []
