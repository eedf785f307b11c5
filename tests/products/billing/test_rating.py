"""Rating beyond the worked examples: properties, refusals, the estimate."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.billing.rating import (
    AllowanceUse,
    Estimate,
    PriceSegment,
    TieredPrice,
    TierLine,
    adjustment,
    after_allowance,
    allocate,
    estimate,
    rate,
    rate_segments,
)
from products.catalogue.money import Money, total
from products.catalogue.tiers import PriceTier

STANDARD = TieredPrice(
    tiers=(
        PriceTier(10, 600_000_000),
        PriceTier(100, 500_000_000),
        PriceTier(None, 400_000_000),
    )
)
QUANTITIES = st.integers(0, 10**12)
WEIGHTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.integers(0, 10**9), min_size=1
)


@st.composite
def ladders(draw):
    bounds = sorted(draw(st.sets(st.integers(1, 1000), max_size=4)))
    prices = draw(
        st.lists(
            st.integers(0, 10**12), min_size=len(bounds) + 1, max_size=len(bounds) + 1
        )
    )
    return TieredPrice(
        tiers=tuple(map(PriceTier, [*bounds, None], prices)),
        unit_size=draw(st.sampled_from([1, 1000, 1_000_000, 10**9])),
        unit_mode=draw(st.sampled_from(["fraction", "block"])),
    )


@given(ladders(), QUANTITIES, QUANTITIES)
def test_a_part_and_then_the_rest_cost_what_the_whole_costs(ladder, first, rest):
    whole = rate(ladder, first + rest)

    before, after = rate(ladder, first), rate(ladder, rest, position=first)

    assert before.exact + after.exact == whole.exact
    assert before.quantity + after.quantity == whole.quantity


@given(ladders(), QUANTITIES, QUANTITIES)
def test_more_usage_never_costs_less_and_nothing_costs_less_than_nothing(
    ladder, one, more
):
    assert 0 <= rate(ladder, one).exact <= rate(ladder, one + more).exact


@given(ladders(), st.lists(QUANTITIES, max_size=5))
def test_segments_under_one_price_cost_what_the_month_costs(ladder, quantities):
    segments = rate_segments(PriceSegment(ladder, each) for each in quantities)

    assert sum(each.exact for each in segments) == rate(ladder, sum(quantities)).exact


@given(ladders(), QUANTITIES)
def test_the_lines_are_the_exact_amount_and_never_empty(ladder, quantity):
    rated = rate(ladder, quantity)

    assert sum((line.exact for line in rated.lines), Decimal(0)) == rated.exact
    assert all(line.quantity > 0 for line in rated.lines)


@given(ladders(), st.lists(QUANTITIES, min_size=1, max_size=6))
def test_what_was_billed_after_any_corrections_is_the_rounded_truth(ladder, history):
    rated = [rate(ladder, each) for each in history]

    billed = rated[0].rounded("USD") + total(
        tuple(adjustment(*pair, "USD") for pair in pairwise(rated)),
        "USD",
    )

    assert billed == rated[-1].rounded("USD")


@given(
    st.integers(-(10**9), 10**9),
    WEIGHTS,
    st.sampled_from([("USD", 10_000), ("JPY", 10**6)]),
)
def test_the_shares_add_up_to_the_amount(units, weights, currency):
    code, step = currency
    amount = Money(units * step, code)

    shares = allocate(amount, weights)

    assert total(tuple(shares.values()), code) == amount
    assert shares.keys() == weights.keys()
    assert all(share.micros % step == 0 for share in shares.values())


@given(st.integers(0, 10**9), WEIGHTS)
def test_a_share_is_less_than_a_minor_unit_from_its_exact_part(units, weights):
    whole = sum(weights.values()) or len(weights)
    parts = weights if any(weights.values()) else dict.fromkeys(weights, 1)

    shares = allocate(Money(units * 10_000, "USD"), weights)

    assert all(
        abs(shares[key].micros * whole - units * 10_000 * parts[key]) < 10_000 * whole
        for key in weights
    )


@pytest.mark.parametrize(
    ("amount", "weights", "shares"),
    [
        ("0.02", {"c": 1, "b": 1, "a": 1}, {"a": "0.01", "b": "0.01", "c": "0"}),
        ("-0.02", {"c": 1, "b": 1, "a": 1}, {"a": "-0.01", "b": "-0.01", "c": "0"}),
        ("1.00", {"a": 0, "b": 5}, {"a": "0", "b": "1.00"}),
        ("0.03", {"a": 0, "b": 0}, {"a": "0.02", "b": "0.01"}),
        ("0.00", {"a": 7}, {"a": "0"}),
    ],
)
def test_a_tie_goes_to_the_smaller_id_and_no_usage_shares_evenly(
    amount, weights, shares
):
    assert allocate(Money.of(amount, "USD"), weights) == {
        key: Money.of(share, "USD") for key, share in shares.items()
    }


@pytest.mark.parametrize(
    ("amount", "weights"),
    [("0.001", {"a": 1}), ("1.00", {}), ("1.00", {"a": -1, "b": 2})],
)
def test_what_cannot_be_shared_out_is_refused(amount, weights):
    with pytest.raises(ValueError, match=r"cannot be negative|can be shared out"):
        allocate(Money.of(amount, "USD"), weights)


@pytest.mark.parametrize(
    ("quantity", "included", "used_before", "expected"),
    [
        (5, 10, 0, AllowanceUse(5, 0)),
        (15, 10, 0, AllowanceUse(10, 5)),
        (15, 10, 4, AllowanceUse(6, 9)),
        (15, 10, 12, AllowanceUse(0, 15)),
        (0, 10, 0, AllowanceUse(0, 0)),
    ],
)
def test_an_allowance_is_used_up_once(quantity, included, used_before, expected):
    assert after_allowance(quantity, included, used_before=used_before) == expected


NO_END = "The last tier, and only it, has no end."
NO_RISE = "Each tier must end after the one before it."


@pytest.mark.parametrize(
    ("tiers", "unit_size", "why"),
    [
        ((), 1, NO_END),
        ((PriceTier(10, 1),), 1, NO_END),
        ((PriceTier(None, 1), PriceTier(None, 1)), 1, NO_END),
        ((PriceTier(10, 1), PriceTier(10, 1), PriceTier(None, 1)), 1, NO_RISE),
        ((PriceTier(20, 1), PriceTier(10, 1), PriceTier(None, 1)), 1, NO_RISE),
        ((PriceTier(0, 1), PriceTier(None, 1)), 1, NO_RISE),
        ((PriceTier(None, -1),), 1, "A price cannot be negative."),
        ((PriceTier(None, 1),), 0, "A unit must be something."),
    ],
)
def test_a_ladder_with_gaps_or_an_end_is_refused(tiers, unit_size, why):
    with pytest.raises(ValueError, match=why):
        TieredPrice(tiers=tiers, unit_size=unit_size)


@pytest.mark.parametrize(("quantity", "position"), [(-1, 0), (1, -1)])
def test_a_negative_quantity_is_refused(quantity, position):
    with pytest.raises(ValueError, match="cannot be negative"):
        rate(STANDARD, quantity, position=position)


def test_in_block_mode_a_block_that_was_begun_before_is_not_billed_again():
    blocks = TieredPrice(tiers=STANDARD.tiers, unit_mode="block")

    first = rate(blocks, 1)
    same_block = rate(blocks, 999_999, position=1)
    next_block = rate(blocks, 1, position=1_000_000)

    assert [first.exact, same_block.exact, next_block.exact] == [
        Decimal("0.6"),
        Decimal(0),
        Decimal("0.6"),
    ]


def test_an_estimate_rounds_each_connection_up_and_the_sum_once():
    result = estimate(200_000, 61, STANDARD, currency="USD")

    assert result == Estimate(
        minutes_each=2,
        minutes=400_000,
        lines=(TierLine(400_000, 600_000_000, Decimal("0.24")),),
        total=Money.of("0.24", "USD"),
    )


def test_an_estimate_takes_off_what_is_included():
    result = estimate(12_000_000, 60, STANDARD, currency="USD", included=11_500_000)

    assert result.minutes == 12_000_000
    assert result.lines == (TierLine(500_000, 600_000_000, Decimal("0.3")),)
    assert result.total == Money.of("0.30", "USD")


def test_no_connections_cost_nothing():
    assert estimate(0, 3600, STANDARD, currency="JPY") == Estimate(
        60, 0, (), Money.zero("JPY")
    )
