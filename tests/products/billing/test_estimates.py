"""The estimate of a month at a price of the catalogue."""

from datetime import timedelta

import pytest

from accounts.actor import Actor
from products.billing.commands.closing import finalize_invoice
from products.billing.estimates import estimated, own_traffic
from products.catalogue.models import Plan
from products.catalogue.prices import NewPrice
from products.catalogue.queries import direct_price
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.metering.models import UsagePeriod
from tests.factories import NOW
from tests.factories.usage import connection_usage
from tests.factories.world import CATALOGUE
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER


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


def test_an_estimate_includes_the_fee_of_a_month(acme, shop, websockets):
    price = change_price(
        CATALOGUE,
        plan=Plan.objects.get(product=websockets, kind="direct"),
        price=NewPrice(
            "USD",
            "connection_time",
            (PriceTier(None, 600_000_000),),
            fee_micros=500_000_000,
        ),
        effective_from=NOW + timedelta(days=32),
        now=NOW,
    )
    period(shop, "2026-10", 2_000_000)

    [own] = own_traffic(acme, price)

    assert own.cost == "501.20 USD"
    assert estimated(price, connections=2_000_000, seconds_each=60).text == own.cost


def period(shop, month, minutes):
    UsagePeriod.objects.create(
        account_id=shop.account_id, service=shop.pk, month=month, minutes=minutes
    )


def shown(acme):
    price = direct_price("websockets", MID_OCTOBER)
    rows = own_traffic(acme, price)
    return [(row.label, row.minutes, row.cost) for row in rows]


def test_the_accounts_own_months_are_estimated_low_typical_and_high(
    acme, shop, websockets
):
    assert shown(acme) == []
    period(shop, "2026-03", 99_000_000)  # more than six months with minutes ago
    for month, minutes in enumerate([5_000_000, 12, 25_000_000, 9_000_000, 0, 7, 8], 4):
        period(shop, f"2026-{month:02}", minutes)

    assert shown(acme) == [
        ("Low", 7, "less than 0.01 USD"),
        ("Typical", 5_000_000, "3.00 USD"),
        ("High", 25_000_000, "13.50 USD"),
    ]


def test_an_estimate_of_own_traffic_equals_the_invoice(acme, shop, enabled):
    for index in range(100):
        connection_usage(shop, MID_OCTOBER, 9_000, name=f"c{index}")
    period(shop, "2026-10", 900_000)

    invoice = finalize_invoice(
        Actor.system("bill-accounts"), account=acme, month=OCTOBER, now=CLOSED
    )

    assert shown(acme) == [("Typical", 900_000, str(invoice.subtotal))]
