"""Meters and price tiers: which tiers make a price, and how people read them; pure.

A tiered price is graduated: each tier's price holds for what lies within the tier, and the upper
limit belongs to the tier below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

UnitMode: TypeAlias = Literal["fraction", "block"]


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured and in which unit it is priced; the names are in the words of pages."""

    unit_size: int  # minutes or bytes in one priced unit
    unit_name: str
    short_unit: str  # after a number: 10 million
    agreed_unit: str  # in the agreement
    heading: str


METERS: Final = {
    "connection_time": Meter(
        unit_size=1_000_000,
        unit_name="million connection minutes",
        short_unit="million",
        agreed_unit="million connection minutes",
        heading="Connection minutes per month",
    ),
    "bandwidth": Meter(
        unit_size=1_000_000_000,
        unit_name="GB",
        short_unit="GB",
        agreed_unit="GB of delivery traffic",
        heading="Traffic per month",
    ),
}


@dataclass(frozen=True, slots=True)
class PriceTier:
    """A tier: up to this many units in all (None: no limit), each at this price in nano-units."""

    up_to: int | None
    unit_price_nanos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredPrice:
    """The tiers of a price version; a unit is `unit_size` minutes or bytes.

    In block mode a part of a unit is billed as a whole one.
    """

    tiers: tuple[PriceTier, ...]
    unit_size: int = METERS["connection_time"].unit_size
    unit_mode: UnitMode = "fraction"

    def __post_init__(self) -> None:
        """Raise ValueError for impossible tiers or an empty unit."""
        if problem := tiers_problem(self.tiers):
            raise ValueError(problem)
        if self.unit_size <= 0:
            raise ValueError("A unit must hold something.")


def tiers_problem(tiers: Sequence[PriceTier]) -> str:
    """Return why tiers cannot make a price; "" if they can."""
    limits = [tier.up_to for tier in tiers]
    whole = [limit for limit in limits if limit is not None]
    if not tiers or limits[-1] is not None or len(whole) != len(limits) - 1:
        return "Only the last tier may have no upper limit."
    if any(low >= high for low, high in pairwise([0, *whole])):
        return "Each tier's limit must be higher than the one before."
    if any(tier.unit_price_nanos < 0 for tier in tiers):
        return "A price cannot be negative."
    return ""


def is_dearer(new: TieredPrice, old: TieredPrice) -> bool:
    """Tell whether any unit costs more by one price than by another."""
    limits = {tier.up_to for tier in (*new.tiers, *old.tiers) if tier.up_to is not None}
    return any(
        _price_above(new, limit) > _price_above(old, limit) for limit in {0, *limits}
    )


def _price_above(price: TieredPrice, units: int) -> int:
    return next(
        tier.unit_price_nanos
        for tier in price.tiers
        if tier.up_to is None or tier.up_to > units
    )


def tier_ranges(tiers: Sequence[PriceTier], unit: str) -> tuple[str, ...]:
    """Return which quantities each tier is for: first 10 million, next 90 million, above 100 million.

    A single tier is for everything: "".
    """
    lows = [0, *(tier.up_to or 0 for tier in tiers[:-1])]
    return tuple(
        _range(low, tier.up_to, unit) for low, tier in zip(lows, tiers, strict=True)
    )


def _range(low: int, up_to: int | None, unit: str) -> str:
    if up_to is not None:
        return f"{'next' if low else 'first'} {up_to - low:,} {unit}"
    return f"above {low:,} {unit}" if low else ""
