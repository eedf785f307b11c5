"""Price tiers: which make a price, how people read them."""

import pytest

from products.catalogue.tiers import (
    PriceTier,
    TieredPrice,
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
