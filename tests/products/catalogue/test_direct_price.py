"""One direct plan per product, so that every page and command reads one direct price."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from accounts.errors import Conflict
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan
from products.catalogue.prices import NewPrice
from products.catalogue.queries import (
    direct_price,
    direct_prices,
    direct_prices_from,
)
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.enablement.queries import products_of, state_of
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE

LATER = NOW + timedelta(days=9)
DEARER = NewPrice("USD", "connection_time", (PriceTier(None, 10**9),))


def test_a_product_gets_no_second_direct_plan(websockets):
    before = noted("platform")

    with pytest.raises(Conflict):
        add_plan(CATALOGUE, product=websockets, kind="direct", name="Zebra", now=NOW)

    assert websockets.plans.filter(kind="direct").count() == 1
    assert noted("platform") == before


def test_the_database_refuses_a_second_direct_plan(websockets):
    with pytest.raises(IntegrityError):
        Plan.objects.create(product=websockets, kind="direct", name="Zebra")


def test_a_retired_direct_plan_can_be_replaced_and_its_price_no_longer_counts(
    acme, websockets
):
    websockets.plans.filter(kind="direct").update(retired_at=NOW)
    plan = add_plan(
        CATALOGUE, product=websockets, kind="direct", name="Aardvark", now=NOW
    )
    price = change_price(
        CATALOGUE, plan=plan, price=DEARER, effective_from=NOW, now=NOW
    )

    assert direct_price("websockets", NOW) == price
    assert direct_prices(NOW)["websockets"] == price


def test_the_products_page_and_the_agreement_read_the_same_price_at_each_instant(
    acme, websockets
):
    plan = websockets.plans.get(kind="direct")
    first = plan.prices.get()
    dearer = change_price(
        CATALOGUE, plan=plan, price=DEARER, effective_from=LATER, now=NOW
    )

    moments = [NOW, LATER - timedelta(microseconds=1), LATER]
    listed = [
        {each.product.pk: each.price for each in products_of(acme, when)}["websockets"]
        for when in moments
    ]
    agreed_to = [state_of(acme, websockets, when).price for when in moments]

    assert listed == agreed_to == [first, first, dearer]


def test_the_prices_of_one_product_are_read_alone(acme, websockets):
    plan = websockets.plans.get(kind="direct")
    dearer = change_price(
        CATALOGUE, plan=plan, price=DEARER, effective_from=LATER, now=NOW
    )

    every = direct_prices_from(NOW, account=acme)
    found = direct_prices_from(NOW, account=acme, slug="websockets")

    assert len(every.current) > 1
    assert found.current == {"websockets": every.current["websockets"]}
    assert found.next == {"websockets": dearer} == every.next
