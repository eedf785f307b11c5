"""Prices as pages show them: from a price version's rows to the ladder that rating uses."""

from dataclasses import dataclass
from decimal import Decimal

from products.billing.rating import Estimate, TieredPrice, estimate
from products.catalogue.models import PriceVersion
from products.catalogue.money import NANOS
from products.catalogue.tiers import PriceTier


@dataclass(frozen=True, slots=True)
class TierRow:
    """A line of the price table."""

    label: str
    price: Decimal


def ladder_of(price: PriceVersion) -> TieredPrice:
    """Return the ladder of a price version."""
    tiers = sorted(price.tiers.all(), key=lambda tier: tier.position)
    return TieredPrice(
        tiers=tuple(PriceTier(tier.up_to, tier.unit_price_nanos) for tier in tiers),
        unit_size=price.unit_size,
        unit_mode="block"
        if price.unit_mode == PriceVersion.UnitMode.BLOCK
        else "fraction",
    )


def tier_rows(price: PriceVersion) -> tuple[TierRow, ...]:
    """Return the price table: `First 10`, `Next 90`, `Above 100`, each with its unit price."""
    lines: list[TierRow] = []
    reached = 0
    for tier in ladder_of(price).tiers:
        amount = Decimal(tier.unit_price_nanos) / NANOS
        if tier.up_to is None:
            label = f"Above {reached:,}" if lines else "All"
        else:
            label = f"{'Next' if lines else 'First'} {tier.up_to - reached:,}"
            reached = tier.up_to
        lines.append(TierRow(label, amount))
    return tuple(lines)


def from_price(price: PriceVersion) -> Decimal:
    """Return the price of the first rung, which is what a card shows as `From …`."""
    return tier_rows(price)[0].price


def estimated(price: PriceVersion, *, connections: int, seconds_each: int) -> Estimate:
    """Return what so many connections of so many seconds would cost in a month."""
    return estimate(
        connections, seconds_each, ladder_of(price), currency=price.currency
    )
