"""Turns a quantity and a tiered price into charges; pure, and exact to the last digit.

What is rated starts at a position within the tiers, so that a price change in the middle of a
month does not start them again. A charge is a whole number of the smallest parts of the currency
that the price can give, and is rounded once (`RatedUsage.rounded`). Sources: R13 to R16.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from products.catalogue.money import EXACT, NANOS, Money, exact_sum
from products.catalogue.tiers import PriceTier, TieredPrice
from products.instants import SECOND_US
from products.metering.minutes import minutes


class TierLine(NamedTuple):
    """The part of a quantity that fell into one tier of a price."""

    price: TieredPrice
    tier: PriceTier
    quantity: int

    @property
    def charge(self) -> int:
        """Return the exact amount in nano-units, times the minutes or bytes of a unit."""
        return self.quantity * self.tier.unit_price_nanos

    @property
    def exact(self) -> Decimal:
        """Return the exact amount."""
        return EXACT.divide(Decimal(self.charge), Decimal(_parts(self.price)))


class RatedUsage(NamedTuple):
    """A rated quantity: its tier lines, without the empty ones."""

    price: TieredPrice
    quantity: int
    lines: tuple[TierLine, ...]

    @property
    def exact(self) -> Decimal:
        """Return the exact amount."""
        return exact_sum(line.exact for line in self.lines)

    def rounded(self, currency: str) -> Money:
        """Return the amount of the line, rounded to the currency's minor units."""
        charge = sum([line.charge for line in self.lines])
        return Money.rounded_ratio(charge, _parts(self.price), currency)


@dataclass(frozen=True, slots=True)
class AllowanceUse:
    """A quantity split into what is included (or on trial) and what is billed."""

    free: int
    billable: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a number of connections of one length would cost in a month."""

    minutes_each: int
    minutes: int
    total: Money
    exact: Decimal

    @property
    def text(self) -> str:
        """Return the cost in words: also "less than 0.01 USD"."""
        return self.total.in_words(self.exact)


def rate(price: TieredPrice, quantity: int, *, position: int = 0) -> RatedUsage:
    """Price a quantity that starts at a position within the tiers.

    Both are whole minutes (or bytes). In block mode the quantity of a line is what the
    started blocks hold. Rating a part and then the rest gives what the whole gives.
    """
    if quantity < 0 or position < 0:
        raise ValueError("A quantity and its position cannot be negative.")
    low, high = _billed(price, position), _billed(price, position + quantity)
    lines = []
    # A plain loop, because millions of lines are rated.
    for tier in price.tiers:
        end = high if tier.up_to is None else min(high, tier.up_to * price.unit_size)
        if end > low:
            lines.append(TierLine(price, tier, end - low))
            low = end
    return RatedUsage(price, quantity, tuple(lines))


def after_allowance(quantity: int, included: int) -> AllowanceUse:
    """Split a quantity into what is included and the rest, which is billed from the first tier."""
    free = min(quantity, included)
    return AllowanceUse(free, quantity - free)


def estimate(
    connections: int,
    seconds_each: int,
    price: TieredPrice,
    *,
    currency: str,
    included: int = 0,
) -> Estimate:
    """Return what a number of connections of equal length costs in a month.

    As on the bill: each connection is rounded up to whole minutes, the minutes are added up, the
    included minutes are subtracted, and the sum is rounded once.
    """
    minutes_each = minutes(seconds_each * SECOND_US)
    whole = minutes_each * connections
    rated = rate(price, after_allowance(whole, included).billable)
    return Estimate(minutes_each, whole, rated.rounded(currency), rated.exact)


def _billed(price: TieredPrice, position: int) -> int:
    if price.unit_mode == "fraction":
        return position
    return -(-position // price.unit_size) * price.unit_size


def _parts(price: TieredPrice) -> int:
    """Return how many parts of a charge are one unit of the currency."""
    return price.unit_size * NANOS
