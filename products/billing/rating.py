"""Turns a quantity and a ladder of prices into charges; pure, and exact to the last digit.

A ladder is graduated: each tier's price holds for what lies within the tier, and the
upper bound belongs to the lower tier. What is rated starts at a position on the ladder,
so that a price change in mid-month does not start it again. Amounts stay exact until a
line is rounded, once (`RatedUsage.rounded`). Sources: R13 to R16.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from products.catalogue.money import EXACT, MICROS, NANOS, Money, minor_digits
from products.catalogue.tiers import PriceTier, tiers_problem
from products.metering.minutes import minutes

UnitMode: TypeAlias = Literal["fraction", "block"]
Proration: TypeAlias = Literal["none", "daily"]

MILLION = 1_000_000
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredPrice:
    """The tiers of a price version; a unit is `unit_size` minutes or bytes.

    In block mode a part of a unit is billed as a whole one.
    """

    tiers: tuple[PriceTier, ...]
    unit_size: int = MILLION
    unit_mode: UnitMode = "fraction"

    def __post_init__(self) -> None:
        """Refuse a ladder that has gaps, or an end."""
        if problem := tiers_problem(self.tiers):
            raise ValueError(problem)
        if self.unit_size <= 0:
            raise ValueError("A unit must be something.")


@dataclass(frozen=True, slots=True)
class TierLine:
    """What of a quantity fell into one tier, at its price, and the exact amount."""

    quantity: int
    unit_price_nanos: int
    exact: Decimal


@dataclass(frozen=True, slots=True)
class RatedUsage:
    """A rated quantity: its tier lines, without the empty ones, and their exact sum."""

    quantity: int
    lines: tuple[TierLine, ...]
    exact: Decimal

    def rounded(self, currency: str) -> Money:
        """Return the amount of the line: the one rounding."""
        return Money.rounded(self.exact, currency)


@dataclass(frozen=True, slots=True)
class PriceSegment:
    """What was used while one price version was in force."""

    ladder: TieredPrice
    quantity: int


@dataclass(frozen=True, slots=True)
class AllowanceUse:
    """A quantity split into what is included (or on trial) and what is billed."""

    free: int
    billable: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What so many connections of one length would cost in a month."""

    minutes_each: int
    minutes: int
    lines: tuple[TierLine, ...]
    total: Money


def rate(ladder: TieredPrice, quantity: int, *, position: int = 0) -> RatedUsage:
    """Price a quantity that starts at a position on the ladder.

    Both are whole minutes (or bytes). In block mode the quantity of a line is what the
    started blocks hold. Rating a part and then the rest gives what the whole gives.
    """
    if quantity < 0 or position < 0:
        raise ValueError("A quantity and its position cannot be negative.")
    low = _billed(ladder, position)
    high = _billed(ladder, position + quantity)
    lines = tuple(_lines(ladder, low, high))
    return RatedUsage(quantity, lines, _sum(line.exact for line in lines))


def rate_segments(segments: Iterable[PriceSegment]) -> tuple[RatedUsage, ...]:
    """Price the segments of one month; the position on the ladder carries over."""
    position = 0
    rated = []
    for segment in segments:
        rated.append(rate(segment.ladder, segment.quantity, position=position))
        position += segment.quantity
    return tuple(rated)


def after_allowance(
    quantity: int, included: int, *, used_before: int = 0
) -> AllowanceUse:
    """Take what is included from a quantity; the rest is billed from its ladder's start.

    `used_before` is what earlier segments of the month took from the same allowance.
    """
    left = max(included - used_before, 0)
    free = min(quantity, left)
    return AllowanceUse(free, quantity - free)


def prorated_allowance(included: int, active_days: int, days_in_month: int) -> int:
    """Return the part of an allowance for the days it was active, rounded down."""
    return included * active_days // days_in_month


def prorated_fee(
    fee: Money, active_days: int, days_in_month: int, proration: Proration
) -> Decimal:
    """Return the exact fee for the days of a month on which a plan was active."""
    amount = EXACT.divide(Decimal(fee.micros), Decimal(MICROS))
    if proration == "none":
        return amount
    return EXACT.divide(
        EXACT.multiply(amount, Decimal(active_days)), Decimal(days_in_month)
    )


def adjustment(old: RatedUsage, new: RatedUsage, currency: str) -> Money:
    """Return what is still owed, or as a negative amount given back, after a re-rating.

    The difference of two rounded amounts, so that what was billed in all is the rounded
    whole.
    """
    return new.rounded(currency) - old.rounded(currency)


def allocate(amount: Money, weights: Mapping[str, int]) -> dict[str, Money]:
    """Share an amount out in whole minor units by the largest remainder, ties by id.

    The shares add up to the amount. Weights are whole and not negative; where all are
    zero they count as equal. Services are never rated apart: each rounding would add.
    Raises ValueError for an amount finer than the currency's minor unit.
    """
    if amount.micros < 0:
        return {key: -share for key, share in allocate(-amount, weights).items()}
    step = MICROS // 10 ** minor_digits(amount.currency)
    units, finer = divmod(amount.micros, step)
    if finer or not weights:
        raise ValueError("Only a rounded amount can be shared out, and among someone.")
    shares = _largest_remainder(units, weights)
    return {key: Money(share * step, amount.currency) for key, share in shares.items()}


def estimate(
    connections: int,
    seconds_each: int,
    ladder: TieredPrice,
    *,
    currency: str,
    included: int = 0,
) -> Estimate:
    """Say what so many connections of so many seconds cost in a month.

    By the very rules of the bill: each connection is rounded up to whole minutes, the
    minutes are added up, what is included is taken off, and the sum is rounded once.
    """
    minutes_each = minutes(seconds_each * _SECOND_US)
    whole = minutes_each * connections
    rated = rate(ladder, after_allowance(whole, included).billable)
    return Estimate(minutes_each, whole, rated.lines, rated.rounded(currency))


def _billed(ladder: TieredPrice, position: int) -> int:
    if ladder.unit_mode == "fraction":
        return position
    return -(-position // ladder.unit_size) * ladder.unit_size


def _lines(ladder: TieredPrice, low: int, high: int) -> Iterable[TierLine]:
    start = 0
    for tier in ladder.tiers:
        end = high if tier.up_to is None else tier.up_to * ladder.unit_size
        quantity = min(high, end) - max(low, start)
        if quantity > 0:
            yield TierLine(
                quantity, tier.unit_price_nanos, _amount(ladder, tier, quantity)
            )
        start = end


def _amount(ladder: TieredPrice, tier: PriceTier, quantity: int) -> Decimal:
    nanos = Decimal(quantity * tier.unit_price_nanos)
    return EXACT.divide(nanos, Decimal(ladder.unit_size * NANOS))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def _largest_remainder(units: int, weights: Mapping[str, int]) -> dict[str, int]:
    if min(weights.values()) < 0:
        raise ValueError("A weight cannot be negative.")
    whole = sum(weights.values())
    parts = weights if whole else dict.fromkeys(weights, 1)
    whole = whole or len(weights)
    shares = {key: units * part // whole for key, part in parts.items()}
    left = units - sum(shares.values())
    by_remainder = sorted(parts, key=lambda key: (-(units * parts[key] % whole), key))
    for key in by_remainder[:left]:
        shares[key] += 1
    return shares
