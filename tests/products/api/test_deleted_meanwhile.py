"""Writes to a service that is deleted while they run: the same answer as after its deletion."""

import pytest

from accounts.change import lock_head
from products.enablement.models import ServiceProduct
from products.services.models import Service
from tests.factories import NOW
from tests.factories.keys import FORM, client_of
from tests.factories.services import PartFactory

VERSION = "/version/1"


@pytest.fixture
def api(eve, draft, entitled):
    return client_of(eve)


@pytest.fixture
def deleted_meanwhile(monkeypatch):
    """Delete all services when a command has started, after its view has found the service."""

    def delete(key):
        Service.objects.update(deleted_at=NOW)
        return lock_head(key)

    monkeypatch.setattr("accounts.change.lock_head", delete)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("put", "", "comment=x"),
        ("delete", "", ""),
        ("post", "/version", ""),
        ("put", f"{VERSION}/clone", ""),
        ("put", f"{VERSION}/lock", ""),
        ("put", VERSION, "comment=x"),
        ("put", f"{VERSION}/settings", "general.default_ttl=1"),
        ("post", f"{VERSION}/backend", "name=b&address=b.example.com"),
        ("put", f"{VERSION}/backend/origin", "comment=x"),
        ("delete", f"{VERSION}/backend/origin", ""),
        ("post", f"{VERSION}/director/d/backend/origin", ""),
        ("delete", f"{VERSION}/director/d/backend/origin", ""),
        ("put", f"{VERSION}/vcl/main/main", ""),
        ("post", "/dictionary/{dictionary}/item", "item_key=a&item_value=b"),
        ("delete", "/dictionary/{dictionary}/item/a", ""),
        ("put", "/snippet/{snippet}", "content=x"),
    ],
)
def test_a_service_deleted_while_a_call_runs_is_reported_as_deleted(
    api, shop, draft, deleted_meanwhile, method, path, body
):
    words = PartFactory.create(version=draft, kind="dictionary", name="words")
    snippet = PartFactory.create(
        version=draft,
        kind="snippet",
        name="dynamic",
        dynamic=True,
        type="recv",
        content="#",
    )
    PartFactory.create(version=draft, kind="vcl", name="main", content="#")
    PartFactory.create(version=draft, kind="director", name="d", backends=["origin"])
    filled = path.format(dictionary=words.public_id, snippet=snippet.public_id)

    answer = getattr(api, method)(f"/api/service/{shop.pk}{filled}", body, FORM)

    assert (answer.status_code, answer.json()) == (
        400,
        {"msg": "Bad request", "detail": f"Service '{shop.pk}' is deleted"},
    )


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_product_is_not_switched_for_a_service_deleted_meanwhile(
    api, shop, deleted_meanwhile, method
):
    path = f"/api/enabled-products/v1/websockets/services/{shop.pk}"

    answer = getattr(api, method)(path)

    assert answer.status_code == 400
    assert answer.json()["detail"] == f"Service '{shop.pk}' is deleted"
    assert not ServiceProduct.objects.exists()
