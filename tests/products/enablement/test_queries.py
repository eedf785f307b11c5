"""The text that a superuser agrees to (R5), made from the price version alone."""

from datetime import timedelta

import pytest

from products.catalogue.commands import add_plan
from products.catalogue.prices import NewPrice
from products.catalogue.queries import direct_price, prices_beside
from products.catalogue.tiers import PriceTier
from products.enablement.agreements import direct_terms
from products.enablement.commands import change_price
from tests.factories import NOW
from tests.factories.world import CATALOGUE

TIERS = (PriceTier(100, 0), PriceTier(10_000, 120_000_000), PriceTier(None, 80_000_000))


@pytest.mark.parametrize(
    ("price", "unit", "tiers"),
    [
        (
            NewPrice("USD", "bandwidth", TIERS),
            "GB of delivery traffic",
            "free for the first 100 GB, 0.12 USD for the next 9,900 GB, 0.08 USD above 10,000 GB.",
        ),
        (
            NewPrice("EUR", "connection_time", TIERS[-1:], fee_micros=20_000_000),
            "million connection minutes",
            "0.08 EUR, plus a fee of 20.00 EUR per month.",
        ),
        (
            NewPrice("USD", "connection_time", TIERS[-1:], included_units=5),
            "million connection minutes",
            "0.08 USD. The first 5 million connection minutes of a month are included.",
        ),
    ],
)
def test_the_agreement_names_every_part_of_the_price(
    acme, websockets, price, unit, tiers
):
    acme.billing_zone = "Europe/Berlin"
    version = change_price(
        CATALOGUE,
        plan=add_plan(
            CATALOGUE, product=websockets, kind="package", name="Small", now=NOW
        ),
        price=price,
        effective_from=NOW,
        now=NOW,
    )

    text = direct_terms(acme, websockets, [version], now=NOW).text

    assert text == (
        f"I understand that enabling WebSockets changes the monthly bill of Acme ({acme.pk}). "
        f"Price version 1, before tax, per {unit} in a calendar month (Europe/Berlin): {tiers}"
    )


def test_the_agreement_names_the_zone_in_force_and_the_one_announced(acme, websockets):
    acme.zone_changes = [["2026-12", "Europe/Berlin"], ["2027-01", "Europe/Berlin"]]

    prices = prices_beside(direct_price("websockets", NOW), NOW)

    texts = [
        direct_terms(acme, websockets, prices, now=when).text
        for when in (NOW, NOW + timedelta(days=30))
    ]

    assert "month (UTC, Europe/Berlin from December 2026): " in texts[0]
    assert "month (Europe/Berlin): " in texts[1]


def test_without_a_price_the_agreement_is_its_first_sentence(acme, ngwaf):
    assert direct_terms(acme, ngwaf, [], now=NOW).text == (
        f"I understand that enabling Next-Gen WAF changes the monthly bill of Acme ({acme.pk})."
    )
