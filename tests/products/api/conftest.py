"""A catalogue with two products, and an account that has one of them."""

import pytest

from accounts.models import Account
from products.catalogue.models import Plan, Product
from products.enablement.models import Enablement
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.services import BackendFactory, DomainFactory, VersionFactory


@pytest.fixture
def websockets(db: None) -> Product:
    """Return the product WebSockets, sold directly."""
    return Product.objects.update_or_create(
        slug="websockets",
        defaults={
            "name": "WebSockets",
            "purpose": "Long connections.",
            "purchase_mode": "direct",
        },
    )[0]


@pytest.fixture
def fanout(db: None) -> Product:
    """Return a product that is sold by sales."""
    return Product.objects.update_or_create(
        slug="fanout",
        defaults={"name": "Fanout", "purpose": "Push.", "purchase_mode": "sales"},
    )[0]


@pytest.fixture
def entitled(acme: Account, websockets: Product) -> Enablement:
    """Return Acme's enablement of WebSockets."""
    plan = Plan.objects.create(
        product=websockets, kind="direct", name="For the API's tests"
    )
    return Enablement.objects.create(
        account=acme,
        product=websockets,
        plan=plan,
        source="direct",
        starts_at=NOW,
        started_by="Sam",
    )


@pytest.fixture
def draft(shop: Service) -> Version:
    """Return version 1 of `shop`: a draft with a domain and a backend that can be activated."""
    version = VersionFactory.create(service=shop)
    DomainFactory.create(version=version, name="shop.example.com")
    BackendFactory.create(version=version, name="origin", port=80, use_ssl=False)
    return version
