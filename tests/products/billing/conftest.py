"""Acme had WebSockets through October 2026, at the example prices of everyone."""

from datetime import UTC, datetime

import pytest

from products.catalogue.models import Plan, Product
from products.catalogue.queries import direct_price, prices_beside
from products.enablement.agreements import direct_terms
from products.enablement.commands import Agreement, enable
from products.months import Month
from tests.factories.world import load_catalogue

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
OCTOBER = Month(2026, 10)
MID_OCTOBER = datetime(2026, 10, 15, tzinfo=UTC)
CLOSED = datetime(2026, 11, 4, tzinfo=UTC)


@pytest.fixture
def websockets(acme):
    """WebSockets of the starter catalogue, with prices from September on."""
    acme.created_at = SEPTEMBER
    acme.save()
    load_catalogue(since=SEPTEMBER)
    return Product.objects.get(pk="websockets")


@pytest.fixture
def standard(websockets):
    """The direct plan of WebSockets."""
    return Plan.objects.get(product=websockets, kind="direct")


@pytest.fixture
def enabled(sam, acme, websockets):
    """WebSockets enabled for Acme from September on."""
    price = direct_price("websockets", SEPTEMBER)
    return enable(
        sam,
        account=acme,
        product=websockets,
        agreement=Agreement.to(
            direct_terms(
                acme, websockets, prices_beside(price, SEPTEMBER), now=SEPTEMBER
            ).text
        ),
        now=SEPTEMBER,
    )
