"""The estimate of a month at a price of the catalogue."""

from datetime import timedelta

import pytest

from products.billing.estimates import estimated
from products.catalogue.commands import NewPrice
from products.catalogue.models import Plan
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from tests.factories import NOW
from tests.factories.world import CATALOGUE


@pytest.mark.parametrize(("included", "total"), [(0, "1.20"), (1, "0.60")])
def test_an_estimate_subtracts_what_the_price_includes(websockets, included, total):
    price = change_price(
        CATALOGUE,
        plan=Plan.objects.get(product=websockets, kind="direct"),
        price=NewPrice(
            "USD",
            "connection_time",
            (PriceTier(None, 600_000_000),),
            included_units=included,
        ),
        effective_from=NOW + timedelta(days=32),  # a higher price waits for a month
        now=NOW,
    )

    result = estimated(price, connections=2_000_000, seconds_each=60)

    assert str(result.total) == f"{total} USD"
