"""Prices on pages: one line per product, a row per tier, the estimate."""

from datetime import timedelta
from decimal import Decimal

from products.catalogue.commands import add_plan
from products.catalogue.models import Plan, Product
from products.catalogue.prices import NewPrice
from products.catalogue.queries import direct_price
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package, change_price
from products.enablement.queries import state_of
from products.web.price_display import price_changes, product_price_line, tier_rows
from tests.factories import NOW
from tests.factories.world import CATALOGUE

LATER = NOW + timedelta(days=9)


def new_price(product, meter, *tiers, **fields):
    """Publish a price of a product's direct plan that is effective from LATER on."""
    return change_price(
        CATALOGUE,
        plan=Plan.objects.get(product=product, kind="direct"),
        price=NewPrice("USD", meter, tiers, **fields),
        effective_from=LATER,
        now=NOW,
    )


def line_of(account, product, when=NOW):
    return product_price_line(state_of(account, product, when))


def test_a_tiered_price_starts_with_its_lowest_and_names_the_first(acme, websockets):
    assert line_of(acme, websockets) == (
        "From 0.40 USD per million connection minutes (0.60 for the first 10 million). "
        "Bandwidth counts as delivery traffic."
    )


def test_a_first_tier_that_is_free_is_named_as_free(acme, websockets):
    assert line_of(acme, Product.objects.get(pk="delivery")) == (
        "First 100 GB a month free, then from 0.12 USD per GB."
    )


def test_a_single_tier_is_the_price(acme, websockets):
    delivery = Product.objects.get(pk="delivery")
    price = new_price(delivery, "bandwidth", PriceTier(None, 185_000_000))

    assert line_of(acme, delivery, LATER) == "0.185 USD per GB."
    assert tier_rows(price) == [("All", Decimal("0.185"))]


def test_large_and_tiny_prices_are_written_with_separators_and_in_full(
    acme, websockets
):
    delivery = Product.objects.get(pk="delivery")
    new_price(
        delivery, "bandwidth", PriceTier(10, 9_999_990_000_000), PriceTier(None, 1)
    )

    assert line_of(acme, delivery, LATER) == (
        "From 0.000000001 USD per GB (9,999.99 for the first 10 GB)."
    )


def test_a_fee_and_what_it_includes_are_part_of_the_line(acme, websockets):
    new_price(
        websockets,
        "connection_time",
        PriceTier(None, 500_000_000),
        fee_micros=20_000_000,
        included_units=3,
    )

    assert line_of(acme, websockets, LATER) == (
        "0.50 USD per million connection minutes. A fee of 20.00 USD per month is charged too. "
        "The first 3 million connection minutes of a month are included. "
        "Bandwidth counts as delivery traffic."
    )


def test_a_product_of_sales_has_no_price_line_until_it_is_in_the_package(
    ada, acme, ngwaf
):
    before = line_of(acme, ngwaf)
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assign_package(ada, account=acme, plan=plan, now=NOW)

    assert (before, line_of(acme, ngwaf)) == (
        "",
        "Included in your package.",
    )


def test_a_row_per_tier_has_its_range_and_unit_price(websockets):
    assert tier_rows(direct_price("websockets", NOW)) == [
        ("First 10 million connection minutes", Decimal("0.60")),
        ("Next 90 million connection minutes", Decimal("0.50")),
        ("Above 100 million connection minutes", Decimal("0.40")),
    ]


def announce(account, plan, price, at):
    return change_price(
        CATALOGUE,
        plan=plan,
        price=NewPrice("USD", "connection_time", (PriceTier(None, price),)),
        effective_from=at,
        now=NOW,
    )


def test_the_next_price_is_the_first_that_concerns_the_account(acme, websockets):
    everyone = Plan.objects.get(product=websockets, kind="direct")
    own = add_plan(
        CATALOGUE, product=websockets, kind="direct", name="Own", account=acme, now=NOW
    )
    announce(acme, everyone, 10**8, LATER)
    announce(acme, own, 2 * 10**8, NOW + timedelta(days=10))

    found = {day: price_changes(acme, NOW + timedelta(days=day)) for day in (0, 9, 10)}

    assert (
        found[0]["websockets"].price_line == "0.10 USD per million connection minutes."
    )
    assert (
        found[9]["websockets"].price_line == "0.20 USD per million connection minutes."
    )
    assert found[10] == {}
