"""Published prices are not changed and do not overlap; the database refuses it."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.errors import Invalid
from accounts.triggers import registered, rows_are_guarded
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan, PriceVersion, Tier
from products.catalogue.prices import NewPrice
from products.catalogue.queries import direct_price, price_state
from products.catalogue.tiers import PriceTier, TieredPrice, is_dearer
from products.enablement.commands import change_price
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE

DECEMBER = NOW + timedelta(days=9)
A_DAY = timedelta(days=1)


@pytest.fixture
def plan(websockets):
    return Plan.objects.get(product=websockets, kind="direct")


def priced(nanos, **fields):
    return NewPrice("USD", "connection_time", (PriceTier(None, nanos),), **fields)


def publish(plan, price, effective_from=DECEMBER):
    return change_price(
        CATALOGUE, plan=plan, price=price, effective_from=effective_from, now=NOW
    )


def test_a_tier_is_written_in_money(plan):
    tiers = (PriceTier(1_000, 600_000_000), PriceTier(None, 2_875_500))
    version = publish(plan, NewPrice("USD", "bandwidth", tiers))

    assert [str(tier) for tier in version.tiers.all()] == [
        "up to 1,000 units at 0.60 USD each",
        "any number of units at 0.0028755 USD each",
    ]


SHORTENED = "UPDATE catalogue_priceversion SET effective_to = '2027-01-01'"
ATTACKS = {
    "a price is changed": "UPDATE catalogue_priceversion SET currency = 'EUR'",
    "a fee is changed": "UPDATE catalogue_priceversion SET fee_micros = 1",
    "a start is moved": "UPDATE catalogue_priceversion SET effective_from = '2020-01-01'",
    "an end is moved": f"{SHORTENED} WHERE effective_to IS NOT NULL",
    "a price is deleted": "DELETE FROM catalogue_priceversion WHERE number = 2",
    "a tier is changed": "UPDATE catalogue_tier SET unit_price_nanos = 1",
    "a tier is deleted": "DELETE FROM catalogue_tier",
    "a tier is added": "INSERT INTO catalogue_tier (price_version_id, position, unit_price_nanos)"
    " SELECT id, 9, 1 FROM catalogue_priceversion",
    "a price overlaps": "INSERT INTO catalogue_priceversion (id, plan_id, number, currency, meter,"
    " unit_size, unit_name, unit_mode, fee_micros, included_units, proration, effective_from,"
    " effective_to, is_example) SELECT 'x', plan_id, 9, currency, meter, unit_size, unit_name,"
    " unit_mode, 0, 0, proration, '2026-11-25', '2026-11-26', is_example"
    " FROM catalogue_priceversion WHERE number = 2",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_database_refuses_to_change_a_published_price(plan, attack):
    publish(plan, priced(10**9))
    before = list(PriceVersion.objects.order_by("pk").values())
    tiers = list(Tier.objects.order_by("pk").values())

    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attack)

    assert list(PriceVersion.objects.order_by("pk").values()) == before
    assert list(Tier.objects.order_by("pk").values()) == tiers


def test_the_triggers_can_be_installed_again_and_are_checked(db, capsys):
    for each in registered(connection):
        each.remove(connection)

    missing = rows_are_guarded(None, databases=["default"])
    call_command("guard_audit")

    assert {error.id for error in missing} == {"accounts.E001"}
    assert "catalogue_tier_update_guarded" in capsys.readouterr().out
    assert rows_are_guarded(None, databases=["default"]) == []


def test_each_meter_of_a_plan_has_its_own_prices(plan):
    first = plan.prices.get()
    bandwidth = publish(
        plan, NewPrice("USD", "bandwidth", (PriceTier(None, 10**8),)), NOW
    )

    assert (bandwidth.number, bandwidth.effective_to) == (1, None)
    assert direct_price("websockets", NOW) == first


def test_a_price_that_is_not_in_force_yet_is_replaced_at_the_same_instant(plan):
    first = plan.prices.get()
    mistake = publish(plan, priced(10**12))

    corrected = publish(plan, priced(10**9))

    mistake.refresh_from_db()
    assert mistake.withdrawn_at == NOW
    assert corrected.number == mistake.number + 1
    assert direct_price("websockets", DECEMBER) == corrected
    assert direct_price("websockets", DECEMBER - A_DAY) == first
    assert noted("platform")[-2:] == ["price.closed", "price.published"]


def test_a_price_version_is_in_force_announced_past_or_withdrawn(plan):
    publish(plan, priced(10**12))
    publish(plan, priced(10**9))

    def states(when):
        rows = plan.prices.annotate(state=price_state(when)).order_by("number")
        return [row.state for row in rows]

    assert states(DECEMBER - A_DAY) == ["in_force", "withdrawn", "announced"]
    assert states(DECEMBER) == ["past", "withdrawn", "in_force"]


def test_a_price_in_force_is_not_replaced(plan):
    with pytest.raises(Invalid):
        publish(plan, priced(10**8), NOW)

    assert plan.prices.count() == 1


def test_a_lower_price_can_take_effect_within_the_month(plan):
    version = publish(plan, priced(10**8), NOW + A_DAY)

    assert direct_price("websockets", NOW + A_DAY) == version


@pytest.mark.parametrize(
    "price",
    [
        priced(10**9),
        priced(10**8, fee_micros=1),
        priced(10**8, unit_mode="block"),
    ],
)
def test_a_rise_takes_effect_at_the_next_month_start_at_the_earliest(plan, price):
    with pytest.raises(Invalid) as refused:
        publish(plan, price, DECEMBER - A_DAY)
    publish(plan, price, NOW.replace(month=12, day=1, hour=0))

    assert refused.value.code == "price_rise_too_early"


def test_an_account_with_a_plan_of_its_own_has_its_price_and_others_do_not(
    acme, globex, plan, websockets
):
    own = add_plan(
        CATALOGUE,
        product=websockets,
        kind="direct",
        name="Contract",
        account=acme,
        now=NOW,
    )
    price = publish(own, priced(10**7), NOW)

    assert direct_price("websockets", NOW, account=acme) == price
    assert direct_price("websockets", NOW, account=globex) == plan.prices.get()
    assert direct_price("websockets", NOW) == plan.prices.get()


def tiered(*tiers):
    return TieredPrice(tiers=tuple(PriceTier(*tier) for tier in tiers))


@pytest.mark.parametrize(
    ("new", "dearer"),
    [
        (tiered((10, 6), (None, 5)), False),
        (tiered((10, 6), (None, 4)), False),
        (tiered((11, 6), (None, 5)), True),
        (tiered((10, 6), (20, 5), (None, 6)), True),
        (tiered((None, 6)), True),
    ],
)
def test_a_price_is_dearer_if_any_unit_costs_more(new, dearer):
    assert is_dearer(new, tiered((10, 6), (None, 5))) is dearer
