"""Changes to the catalogue: what is refused, and what changes nothing."""

from datetime import timedelta
from functools import partial

import pytest

from accounts.errors import Conflict, Invalid
from products.catalogue.commands import (
    MAX_AHEAD,
    MAX_TRIAL_DAYS,
    MAX_TRIAL_MINUTES,
    add_plan,
    add_product,
    update_product,
)
from products.catalogue.models import Plan, PriceVersion, Product
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE

ONE_TIER = (PriceTier(None, 10**9),)
TOO_LARGE = 2**53
A_MONTH = timedelta(days=31)


def test_an_unknown_product_is_not_changed(websockets):
    with pytest.raises(Invalid):
        update_product(CATALOGUE, slug="tea", fields={"name": "Tea"}, now=NOW)


def test_the_same_values_change_nothing(websockets):
    before = noted("platform")

    update_product(
        CATALOGUE, slug="websockets", fields={"name": websockets.name}, now=NOW
    )

    assert noted("platform") == before


@pytest.mark.parametrize(
    ("state", "mode", "wanted"),
    [("active", "direct", "always"), ("retired", "always", "sales")],
)
def test_only_a_draft_becomes_part_of_every_account(websockets, state, mode, wanted):
    Product.objects.filter(pk="websockets").update(state=state, purchase_mode=mode)

    with pytest.raises(Conflict):
        change_mode(wanted)
    Product.objects.filter(pk="websockets").update(state="draft")
    change_mode(wanted)

    assert Product.objects.get(pk="websockets").purchase_mode == wanted


def change_mode(mode):
    fields = {"purchase_mode": mode, "state": "active"}
    update_product(CATALOGUE, slug="websockets", fields=fields, now=NOW)


def test_an_unknown_field_is_refused_by_name(websockets):
    with pytest.raises(Invalid) as refused:
        add_product(CATALOGUE, slug="tea", fields={"colour": "green"}, now=NOW)

    assert refused.value.field == "colour"


def test_a_slug_in_use_is_refused(websockets):
    with pytest.raises(Conflict):
        add_product(CATALOGUE, slug="websockets", fields={"name": "Tea"}, now=NOW)

    assert Product.objects.get(pk="websockets").name == websockets.name


def test_plans_of_different_kinds_can_have_the_same_name(ngwaf):
    taken = Plan.objects.get(product=ngwaf, kind="package").name

    plan = add_plan(
        CATALOGUE, product=ngwaf, kind="trial", name=taken, trial_days=7, now=NOW
    )

    assert (plan.kind, plan.name) == ("trial", taken)


@pytest.mark.parametrize(
    ("kind", "days", "minutes", "field"),
    [
        ("direct", 7, None, "kind"),
        ("package", None, 100, "kind"),
        ("trial", None, None, "trial_days"),
        ("trial", 0, None, "trial_days"),
        ("trial", MAX_TRIAL_DAYS + 1, None, "trial_days"),
        ("trial", 7, 0, "trial_minutes"),
        ("trial", 7, MAX_TRIAL_MINUTES + 1, "trial_minutes"),
    ],
)
def test_days_and_minutes_that_do_not_fit_the_kind_are_refused_at_their_field(
    ngwaf, kind, days, minutes, field
):
    with pytest.raises(Invalid) as refused:
        add_plan(
            CATALOGUE,
            product=ngwaf,
            kind=kind,
            name="Another",
            trial_days=days,
            trial_minutes=minutes,
            now=NOW,
        )

    assert refused.value.field == field
    assert not ngwaf.plans.filter(name="Another").exists()


def test_a_product_gets_no_second_trial(ngwaf):
    trial = partial(
        add_plan, CATALOGUE, product=ngwaf, kind="trial", trial_days=7, now=NOW
    )
    trial(name="One")

    with pytest.raises(Conflict):
        trial(name="Two")

    assert ngwaf.plans.filter(kind="trial").count() == 1


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [("gift", "New", "kind"), ("package", " ", "name"), ("package", "n" * 81, "name")],
)
def test_an_impossible_plan_is_refused_at_its_field(ngwaf, kind, name, field):
    with pytest.raises(Invalid) as refused:
        add_plan(CATALOGUE, product=ngwaf, kind=kind, name=name, now=NOW)

    assert refused.value.field == field
    assert ngwaf.plans.count() == 1


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
        # More than the databases and the audit trail can have.
        (NewPrice("USD", "bandwidth", (PriceTier(None, TOO_LARGE),)), A_MONTH, "tiers"),
        (
            NewPrice("USD", "bandwidth", (PriceTier(TOO_LARGE, 1), *ONE_TIER)),
            A_MONTH,
            "tiers",
        ),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, fee_micros=TOO_LARGE),
            A_MONTH,
            "fee_micros",
        ),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, included_units=TOO_LARGE),
            A_MONTH,
            "included_units",
        ),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, unit_mode="half"),
            A_MONTH,
            "unit_mode",
        ),
        (
            NewPrice("USD", "bandwidth", ONE_TIER, proration="weekly"),
            A_MONTH,
            "proration",
        ),
        (NewPrice("USD", "bandwidth", ONE_TIER), MAX_AHEAD + A_MONTH, "effective_from"),
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


def test_an_unknown_currency_is_refused_also_for_the_first_price_of_a_plan(ngwaf):
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assert not plan.prices.exists()

    with pytest.raises(Invalid) as refused:
        change_price(
            CATALOGUE,
            plan=plan,
            price=NewPrice("XYZ", "bandwidth", ONE_TIER),
            effective_from=NOW + timedelta(days=9),
            now=NOW,
        )

    assert refused.value.field == "currency"
    assert not plan.prices.exists()
