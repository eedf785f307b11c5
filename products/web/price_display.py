"""Prices as pages show them: the price line of a product, the price table, the estimate."""

from decimal import Decimal

from products.billing.rating import Estimate, estimate
from products.catalogue.models import PriceVersion
from products.catalogue.money import unit_price
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import METERS, tier_ranges


def tier_rows(price: PriceVersion) -> list[tuple[str, Decimal]]:
    """Return (label, unit price) per tier: `First 10 million`, `Next 90 million`, …"""
    tiers = tiered_price(price).tiers
    ranges = tier_ranges(tiers, METERS[price.meter].short_unit)
    return [
        (reach[:1].upper() + reach[1:] or "All", unit_price(tier.unit_price_nanos))
        for reach, tier in zip(ranges, tiers, strict=True)
    ]


def price_line(price: PriceVersion) -> str:
    """Return a price in one line, for lists: `From 0.40 USD per GB (0.60 for the first 10 GB).`"""
    meter = METERS[price.meter]
    tiers = tiered_price(price).tiers
    first = tier_ranges(tiers, meter.short_unit)[0]
    amounts = [unit_price(tier.unit_price_nanos) for tier in tiers]
    unit = f"{price.currency} per {meter.unit_name}"
    if len(amounts) == 1:
        return f"{amounts[0]} {unit}."
    if not amounts[0]:
        return f"{first.capitalize()} a month free, then from {amounts[1]} {unit}."
    return f"From {min(amounts)} {unit} ({amounts[0]} for the {first})."


def estimated(price: PriceVersion, *, connections: int, seconds_each: int) -> Estimate:
    """Return what a number of connections of equal length would cost in a month."""
    return estimate(
        connections,
        seconds_each,
        tiered_price(price),
        currency=price.currency,
        included=price.included_units * price.unit_size,
    )
