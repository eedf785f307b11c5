"""Rating beyond the worked examples: properties, refusals, the estimate."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.billing.rating import (
    AllowanceUse,
    Estimate,
    after_allowance,
    estimate,
    rate,
)
from products.catalogue.money import EXACT, Money
from products.catalogue.tiers import PriceTier, TieredPrice

STANDARD = TieredPrice(
    tiers=(
        PriceTier(10, 600_000_000),
        PriceTier(100, 500_000_000),
        PriceTier(None, 400_000_000),
    )
)
QUANTITIES = st.integers(0, 10**12)


@st.composite
def prices(draw):
    bounds = sorted(draw(st.sets(st.integers(1, 1000), max_size=4)))
    amounts = draw(
        st.lists(
            st.integers(0, 10**12), min_size=len(bounds) + 1, max_size=len(bounds) + 1
        )
    )
    return TieredPrice(
        tiers=tuple(map(PriceTier, [*bounds, None], amounts)),
        unit_size=draw(st.sampled_from([1, 1000, 1_000_000, 10**9])),
        unit_mode=draw(st.sampled_from(["fraction", "block"])),
    )


@given(prices(), QUANTITIES, QUANTITIES)
def test_a_part_and_then_the_rest_cost_what_the_whole_costs(price, first, rest):
    whole = rate(price, first + rest)

    before, after = rate(price, first), rate(price, rest, position=first)

    assert before.exact + after.exact == whole.exact
    assert before.quantity + after.quantity == whole.quantity


@given(prices(), QUANTITIES, QUANTITIES)
def test_more_usage_never_costs_less_and_no_amount_is_negative(price, one, more):
    assert 0 <= rate(price, one).exact <= rate(price, one + more).exact


@given(prices(), QUANTITIES)
def test_the_lines_are_the_exact_amount_and_never_empty(price, quantity):
    rated = rate(price, quantity)

    assert sum((line.exact for line in rated.lines), Decimal(0)) == rated.exact
    assert all(line.quantity > 0 for line in rated.lines)


@given(prices(), QUANTITIES, QUANTITIES, st.sampled_from(["USD", "JPY", "KWD"]))
def test_the_amount_is_the_exact_one_rounded_half_up(price, position, quantity, code):
    rated = rate(price, quantity, position=position)
    unit = {"USD": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}[code]

    rounded = EXACT.quantize(rated.exact, unit)

    assert rated.rounded(code) == Money.rounded(rated.exact, code)
    assert rated.rounded(code) == Money.of(rounded, code)


@pytest.mark.parametrize(
    ("quantity", "included", "expected"),
    [
        (5, 10, AllowanceUse(5, 0)),
        (15, 10, AllowanceUse(10, 5)),
        (0, 10, AllowanceUse(0, 0)),
    ],
)
def test_an_allowance_is_used_before_anything_is_billed(quantity, included, expected):
    assert after_allowance(quantity, included) == expected


@pytest.mark.parametrize(("quantity", "position"), [(-1, 0), (1, -1)])
def test_a_negative_quantity_is_refused(quantity, position):
    with pytest.raises(ValueError, match="cannot be negative"):
        rate(STANDARD, quantity, position=position)


def test_in_block_mode_a_block_that_was_started_before_is_not_billed_again():
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
        total=Money.of("0.24", "USD"),
        exact=Decimal("0.24"),
    )


def test_an_estimate_subtracts_what_is_included():
    result = estimate(12_000_000, 60, STANDARD, currency="USD", included=11_500_000)

    assert result.minutes == 12_000_000
    assert result.total == Money.of("0.30", "USD")


def test_no_connections_cost_nothing():
    assert estimate(0, 3600, STANDARD, currency="JPY") == Estimate(
        60, 0, Money(0, "JPY"), Decimal(0)
    )
