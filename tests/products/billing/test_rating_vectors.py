"""The worked examples of the bill that are arithmetic, each to its last digit."""

from decimal import Decimal

import pytest

from products.billing.rating import rate
from products.catalogue.money import Money, nanos
from tests.products.billing.prices import per_unit, tiered, usd
from tests.products.vectors import given, vectors

GIGABYTE = 10**9
ELSEWHERE = {
    **dict.fromkeys(
        ("V01", "V02", "V24"),
        "whole minutes: tests/products/metering/test_minutes.py",
    ),
    **dict.fromkeys(
        ("V03", "V04", "V05", "V06", "V13", "V14"),
        "minutes of parts: tests/products/metering/test_usage.py",
    ),
    **dict.fromkeys(
        ("V16", "V17", "V18"),
        "packages and trials: tests/products/billing/test_rating_plans.py",
    ),
    **dict.fromkeys(
        ("V15", "V19", "V26", "V27"),
        "proration, credits and budgets: tests/products/billing/test_shares_and_credits.py",
    ),
    "V23": "bounds of a month: tests/products/test_months.py",
}


def test_every_worked_example_is_tested_here_or_named_with_the_place_where_it_is():
    here = {
        *("V07", "V08", "V09a", "V09b", "V10", "V11", "V12", "V20", "V21"),
        *("V22-USD", "V22-JPY", "V22-KWD", "V25", "V28", "V29", "V30"),
    }

    assert here.isdisjoint(ELSEWHERE)
    assert here | set(ELSEWHERE) == set(vectors())


@pytest.mark.parametrize("vector_id", ["V07", "V08", "V09a", "V09b", "V29"])
def test_a_quantity_is_priced_over_the_tiers(vector_id):
    given_, expect = given(vector_id)

    rated = rate(tiered(given_["tiers"]), given_["minutes"])

    assert rated.exact == Decimal(expect["exact"])
    assert rated.rounded("USD") == usd(expect["amount"])


def test_v07_the_quantity_is_shown_in_millions():
    given_, expect = given("V07")

    rated = rate(tiered(given_["tiers"]), given_["minutes"])

    assert Decimal(rated.quantity) / 1_000_000 == Decimal(expect["quantity_million"])


def test_v08_each_tier_has_a_line_of_its_own():
    given_, expect = given("V08")

    lines = rate(tiered(given_["tiers"]), given_["minutes"]).lines

    assert [line.quantity for line in lines] == expect["tier_minutes"]
    assert [line.exact for line in lines] == [
        Decimal(each) for each in expect["tier_amounts"]
    ]


@pytest.mark.parametrize(("case", "price"), [("a", "0.60"), ("b", "0.20")])
def test_v10_half_a_cent_is_rounded_up_and_its_credit_mirrors_it(case, price):
    given_, expect = given("V10")

    rated = rate(per_unit(price), given_["minutes"])

    assert rated.exact == Decimal(expect[f"exact_{case}"])
    assert rated.rounded("USD") == usd(expect[f"amount_{case}"])
    assert Money.rounded(-rated.exact, "USD") == usd(expect[f"credit_{case}"])


def test_v11_the_account_is_rated_once_and_not_per_service():
    given_, expect = given("V11")
    minutes = given_["service_minutes"]

    whole = rate(per_unit("0.60"), sum(minutes))
    apart = sum(
        (rate(per_unit("0.60"), each).rounded("USD") for each in minutes),
        start=Money(0, "USD"),
    )

    assert whole.exact == Decimal(expect["account_exact"])
    assert whole.rounded("USD") == usd(expect["account_amount"])
    assert apart == usd(expect["wrong_if_each_service_rounded"])


def test_v12_the_position_within_the_tiers_carries_over_a_price_change():
    given_, expect = given("V12")
    before, after = tiered(given_["A"]), tiered(given_["B"])

    line_a = rate(before, given_["before_cut"])
    line_b = rate(after, given_["after_cut"], position=given_["before_cut"])
    restarted = rate(after, given_["after_cut"]).rounded("USD")

    assert line_a.exact == Decimal(expect["line_A_exact"])
    assert [
        [line.quantity, line.tier.unit_price_nanos, line.exact] for line in line_b.lines
    ] == [
        [quantity, nanos(price), Decimal(exact)]
        for quantity, price, exact in expect["line_B_parts"]
    ]
    assert line_b.exact == Decimal(expect["line_B_exact"])
    assert line_a.rounded("USD") + line_b.rounded("USD") == usd(expect["total"])
    assert line_a.rounded("USD") + restarted == usd(expect["wrong_if_tiers_restart"])


def test_v20_late_minutes_are_rated_in_their_own_month():
    given_, expect = given("V20")
    steps = tiered(given_["tiers"])

    final = rate(steps, given_["billed"])
    again = rate(steps, given_["billed"] + given_["late"])
    as_april = rate(steps, given_["late"])

    assert final.rounded("USD") == usd(expect["march_final"])
    assert again.rounded("USD") == usd(expect["march_rerated"])
    assert again.rounded("USD") - final.rounded("USD") == usd(
        expect["adjustment_line_on_april"]
    )
    assert as_april.rounded("USD") == usd(expect["wrong_if_rated_as_april_first_tier"])


def test_v21_a_correction_downwards_is_a_credit():
    given_, expect = given("V21")
    steps = tiered(given_["tiers"])

    billed, correct = rate(steps, given_["billed"]), rate(steps, given_["correct"])

    assert billed.rounded("USD") - correct.rounded("USD") == usd(expect["credit_note"])


@pytest.mark.parametrize("vector_id", ["V22-USD", "V22-JPY", "V22-KWD"])
def test_v22_a_line_is_rounded_to_its_currencys_minor_units(vector_id):
    given_, expect = given(vector_id)

    rated = rate(per_unit(given_["price"]), given_["minutes"])

    assert rated.exact == Decimal(expect["exact"])
    assert rated.rounded(given_["currency"]) == Money.of(
        expect["amount"], given_["currency"]
    )


def test_v25_websocket_bytes_lie_inside_the_one_delivery_line():
    given_, expect = given("V25")
    steps = tiered(given_["tiers_GB"], unit_size=GIGABYTE)
    shares = {"http": given_["http_bytes"], "ws": given_["ws_bytes"]}

    delivery = rate(steps, sum(shares.values()))
    apart = [rate(steps, each).rounded("USD") for each in shares.values()]

    assert delivery.exact == Decimal(expect["delivery_exact"])
    assert delivery.rounded("USD") == usd(expect["delivery"])
    assert sum(apart, start=Money(0, "USD")) == usd(expect["wrong_if_rated_apart"])


def test_v28_in_block_mode_a_started_million_is_a_whole_one():
    given_, expect = given("V28")

    blocks = rate(per_unit(given_["price"], unit_mode="block"), given_["minutes"])
    fractional = rate(per_unit(given_["price"]), given_["minutes"])

    assert blocks.lines[0].quantity == expect["blocks"] * 1_000_000
    assert blocks.quantity == given_["minutes"]
    assert blocks.rounded("USD") == usd(expect["amount"])
    assert fractional.rounded("USD") == usd(expect["fractional_amount"])


def test_v30_no_usage_has_no_lines_and_costs_nothing():
    given_, expect = given("V30")

    rated = rate(tiered(given_["tiers"]), given_["minutes"])

    assert not rated.lines
    assert (rated.quantity, rated.exact) == (0, Decimal(0))
    assert rated.rounded("USD") == usd(expect["amount"])
