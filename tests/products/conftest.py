"""Fixtures for tests of products: the catalogue, and the service `echo`."""

import pytest
from django.core.cache import cache

from accounts.models import Account
from products.api import edge
from products.catalogue.models import Plan, Product
from products.deploy.routes import RouteTableCache
from products.services.models import Service, Version
from tests.day import day_of_tests  # noqa: F401 - a fixture
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    ServiceFactory,
    VersionFactory,
)
from tests.factories.world import load_catalogue


@pytest.fixture
def websockets(db: None) -> Product:
    """Return WebSockets, as the starter catalogue has it."""
    load_catalogue()
    return Product.objects.get(pk="websockets")


@pytest.fixture
def ngwaf(websockets: Product) -> Product:
    """Return the Next-Gen WAF, which WebSockets does not go with."""
    return Product.objects.get(pk="ngwaf")


@pytest.fixture
def direct(websockets: Product) -> Plan:
    """Return the plan by which WebSockets is bought directly."""
    return Plan.objects.get(product=websockets, kind="direct")


@pytest.fixture
def package(ngwaf: Product) -> Plan:
    """Return the package that has the Next-Gen WAF."""
    return Plan.objects.get(product=ngwaf, kind="package")


@pytest.fixture
def echo(acme: Account) -> Service:
    """Return Acme's service `echo`."""
    return ServiceFactory.create(account=acme, name="echo")


@pytest.fixture
def draft(echo: Service) -> Version:
    """Return a draft of echo that could be put live: a domain, and an origin without TLS."""
    version = VersionFactory.create(service=echo, number=1)
    DomainFactory.create(version=version, name="echo.example.com")
    BackendFactory.create(version=version, name="origin", port=80, use_ssl=False)
    return version


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    # Two tests' databases have one ingest epoch, and can reach the same sum of revisions.
    monkeypatch.setattr(edge, "ROUTE_TABLE", RouteTableCache())
