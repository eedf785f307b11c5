"""Price tiers: which make a price, how staff type them, how people read them."""

import pytest

from products.catalogue.tiers import (
    PriceTier,
    TieredPrice,
    parse_tiers,
    tier_ranges,
    tiers_problem,
)

NO_END = "Only the last tier may have no upper limit."
NO_RISE = "Each tier's limit must be higher than the one before."
STANDARD = (PriceTier(10, 6), PriceTier(100, 5), PriceTier(None, 4))


@pytest.mark.parametrize(
    ("tiers", "problem"),
    [
        ((), NO_END),
        ((PriceTier(10, 1),), NO_END),
        ((PriceTier(None, 1), PriceTier(None, 1)), NO_END),
        ((PriceTier(10, 1), PriceTier(10, 1), PriceTier(None, 1)), NO_RISE),
        ((PriceTier(20, 1), PriceTier(10, 1), PriceTier(None, 1)), NO_RISE),
        ((PriceTier(0, 1), PriceTier(None, 1)), NO_RISE),
        ((PriceTier(None, -1),), "A price cannot be negative."),
        ((PriceTier(None, 0),), ""),
        (STANDARD, ""),
    ],
)
def test_tiers_rise_without_gaps_and_only_the_last_has_no_limit(tiers, problem):
    assert tiers_problem(tiers) == problem


@pytest.mark.parametrize(
    ("tiers", "unit_size"), [((PriceTier(10, 1),), 1), ((PriceTier(None, 1),), 0)]
)
def test_a_tiered_price_of_impossible_tiers_or_an_empty_unit_is_refused(
    tiers, unit_size
):
    with pytest.raises(ValueError, match=r"upper limit|must hold something"):
        TieredPrice(tiers=tiers, unit_size=unit_size)


def test_tiers_are_typed_one_per_line_the_last_with_its_price_alone():
    assert parse_tiers("10 0.60\n100  0.5\n0.000000001") == (
        PriceTier(10, 600_000_000),
        PriceTier(100, 500_000_000),
        PriceTier(None, 1),
    )


@pytest.mark.parametrize(
    "line", ["", "ten 0.60", "10 20 0.60", "10 x", "10 NaN", "1.5 2", "0.0000000001"]
)
def test_a_line_that_is_not_a_tier_is_named(line):
    with pytest.raises(ValueError, match="is not a valid tier") as refused:
        parse_tiers(f"10 0.60\n{line}\n0.40")

    assert f"“{line}”" in str(refused.value)


def test_ranges_say_how_many_units_each_tier_is_for():
    assert tier_ranges(STANDARD, "million") == (
        "first 10 million",
        "next 90 million",
        "above 100 million",
    )
    assert tier_ranges((PriceTier(1000, 0), PriceTier(None, 1)), "GB") == (
        "first 1,000 GB",
        "above 1,000 GB",
    )


def test_a_single_tier_is_for_everything():
    assert tier_ranges((PriceTier(None, 1),), "GB") == ("",)
