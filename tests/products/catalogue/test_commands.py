"""Changes to the catalogue: what is refused, and what changes nothing."""

from datetime import timedelta

import pytest

from accounts.errors import Conflict, Invalid
from products.catalogue.commands import (
    NewPrice,
    add_plan,
    add_product,
    update_product,
)
from products.catalogue.models import Plan, PriceVersion
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE

ONE_TIER = (PriceTier(None, 10**9),)


def test_an_unknown_product_is_not_changed(websockets):
    with pytest.raises(Invalid):
        update_product(CATALOGUE, slug="tea", fields={"name": "Tea"}, now=NOW)


def test_the_same_values_change_nothing(websockets):
    before = noted("platform")

    update_product(
        CATALOGUE, slug="websockets", fields={"name": websockets.name}, now=NOW
    )

    assert noted("platform") == before


def test_an_unknown_field_is_refused_by_name(websockets):
    with pytest.raises(Invalid) as refused:
        add_product(CATALOGUE, slug="tea", fields={"colour": "green"}, now=NOW)

    assert refused.value.field == "colour"


def test_a_plan_name_in_use_is_refused(ngwaf):
    plan = Plan.objects.get(product=ngwaf, kind="package")

    with pytest.raises(Conflict):
        add_plan(CATALOGUE, product=ngwaf, kind="package", name=plan.name, now=NOW)

    assert ngwaf.plans.count() == 1


@pytest.mark.parametrize(
    ("price", "after", "field"),
    [
        (NewPrice("USD", "miles", ONE_TIER), timedelta(days=1), "meter"),
        (NewPrice("USD", "bandwidth", ()), timedelta(days=1), "tiers"),
        (NewPrice("USD", "connection_time", ONE_TIER), timedelta(0), "effective_from"),
        # A rise before the start of the next month.
        (NewPrice("USD", "connection_time", ONE_TIER), timedelta(8), "effective_from"),
        (NewPrice("EUR", "connection_time", ONE_TIER), timedelta(9), "currency"),
        (NewPrice("XYZ", "connection_time", ONE_TIER), timedelta(9), "currency"),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, fee_micros=-1),
            timedelta(9),
            "fee_micros",
        ),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, included_units=-1),
            timedelta(9),
            "included_units",
        ),
    ],
)
def test_an_impossible_price_is_refused_at_its_field(websockets, price, after, field):
    plan = Plan.objects.get(product=websockets, kind="direct")
    before = noted("platform")

    with pytest.raises(Invalid) as refused:
        change_price(
            CATALOGUE, plan=plan, price=price, effective_from=NOW + after, now=NOW
        )

    assert refused.value.field == field
    assert PriceVersion.objects.filter(plan=plan).count() == 1
    assert noted("platform") == before
