"""The worked examples of packages and trials, each to its last digit."""

from decimal import Decimal

import pytest

from products.billing.rating import after_allowance, rate
from tests.products.billing.prices import tiered, usd
from tests.products.vectors import given


def test_v16_trial_minutes_cost_nothing_and_do_not_advance_the_tiers():
    given_, expect = given("V16")
    steps = tiered(given_["tiers"])

    trial = rate(steps, given_["trial_minutes"])
    paid = rate(steps, given_["paid_minutes"])
    moved = rate(steps, given_["paid_minutes"], position=given_["trial_minutes"])

    assert trial.rounded("USD") == usd(expect["trial_list_value"])
    assert paid.exact == Decimal(expect["paid_exact"])
    assert paid.rounded("USD") == usd(expect["paid"])
    assert moved.rounded("USD") == usd(expect["wrong_if_trial_moves_tiers"])


def test_v17_usage_beyond_a_trials_cap_is_billed_or_not_served():
    given_, expect = given("V17")

    used = after_allowance(given_["offered"], given_["cap"])
    amount = rate(tiered(given_["tiers"]), used.billable).rounded("USD")

    assert used.free == expect["block"]["served_max"] == expect["convert"]["free"]
    assert used.billable == expect["convert"]["billable"]
    assert amount == usd(expect["convert"]["amount"])


def overage(used):
    given_, _ = given("V18")
    billable = after_allowance(used, given_["included"]).billable
    return rate(tiered(given_["overage_tiers"]), billable)


def test_v18_a_package_bills_its_fee_and_what_exceeds_its_allowance():
    given_, expect = given("V18")

    rated = overage(given_["used"])

    assert rated.quantity == expect["overage_minutes"]
    assert rated.rounded("USD") == usd(expect["overage"])
    assert usd(given_["fee"]) + rated.rounded("USD") == usd(expect["invoice"])


@pytest.mark.parametrize(
    ("used", "key"),
    [
        (49_999_999, "under_allowance_49_999_999"),
        (50_000_000, "exactly_50M"),
        (50_000_001, "one_minute_over_invoice"),
    ],
)
def test_v18_the_allowance_ends_with_its_last_minute(used, key):
    given_, expect = given("V18")

    assert usd(given_["fee"]) + overage(used).rounded("USD") == usd(expect[key])


def test_v18_one_minute_over_is_kept_exactly():
    assert overage(50_000_001).exact == Decimal(
        given("V18")[1]["one_minute_over_exact"]
    )
