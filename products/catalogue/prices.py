"""The price of a plan as one value, and its lines as people read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from products.catalogue.models import PriceVersion
from products.catalogue.money import Money, amount_in_words, unit_price
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import METERS, PriceTier, TieredPrice, tier_ranges


@dataclass(frozen=True, slots=True)
class NewPrice:
    """A price to be published; its meter, one of METERS, decides the unit."""

    currency: str
    meter: str
    tiers: tuple[PriceTier, ...]
    fee_micros: int = 0
    included_units: int = 0
    unit_mode: str = PriceVersion.UnitMode.FRACTION
    proration: str = PriceVersion.Proration.NONE
    is_example: bool = False

    @classmethod
    def of(cls, version: PriceVersion) -> Self:
        """Return the price of a published version."""
        return cls(
            currency=version.currency,
            meter=version.meter,
            tiers=tiered_price(version).tiers,
            fee_micros=version.fee_micros,
            included_units=version.included_units,
            unit_mode=version.unit_mode,
            proration=version.proration,
            is_example=version.is_example,
        )

    @property
    def tiered(self) -> TieredPrice:
        """Return the tiers as rating uses them."""
        return TieredPrice(
            tiers=self.tiers,
            unit_size=METERS[self.meter].unit_size,
            unit_mode="block"
            if self.unit_mode == PriceVersion.UnitMode.BLOCK
            else "fraction",
        )


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A line of a price as people read it: what it is for, and the amount."""

    label: str
    amount: str


def price_rows(price: NewPrice) -> tuple[PriceRow, ...]:
    """Return a price line by line."""
    meter = METERS[price.meter]
    ranges = tier_ranges(price.tiers, meter.short_unit)
    rows = [
        PriceRow(
            (reach or "all")[:1].upper() + (reach or "all")[1:],
            _amount(tier, price),
        )
        for reach, tier in zip(ranges, price.tiers, strict=True)
    ]
    return (*rows, *_other_rows(price, f"{price.included_units:,} {meter.short_unit}"))


def price_sentences(price: NewPrice) -> list[str]:
    """Return a price in sentences: `0.60 USD per GB for the first 10 GB, 0.50 USD per GB above 10 GB.`."""
    meter = METERS[price.meter]
    ranges = tier_ranges(price.tiers, meter.short_unit)
    tiers = [
        f"{_amount(tier, price)} {reach if tier.up_to is None else f'for the {reach}'}"
        for reach, tier in zip(ranges, price.tiers, strict=True)
    ]
    sentences = [f"{', '.join(tiers).rstrip()}.", *fee_sentences(price)]
    if price.unit_mode == PriceVersion.UnitMode.BLOCK:
        sentences.append(f"A started {meter.short_unit} is billed as a whole one.")
    return sentences


def fee_sentences(price: NewPrice | PriceVersion) -> list[str]:
    """Return the monthly fee of a price and what it includes, in sentences; none if there is neither."""
    sentences = []
    if price.fee_micros:
        fee = Money(price.fee_micros, price.currency)
        sentences.append(f"A fee of {fee} per month is charged too.")
    if price.included_units:
        unit = METERS[price.meter].unit_name
        sentences.append(
            f"The first {price.included_units:,} {unit} of a month are included."
        )
    return sentences


def _amount(tier: PriceTier, price: NewPrice) -> str:
    amount = amount_in_words(unit_price(tier.unit_price_nanos))
    return f"{amount} {price.currency} per {METERS[price.meter].unit_name}"


def _other_rows(price: NewPrice, included: str) -> Iterable[PriceRow]:
    if price.fee_micros:
        part = PriceVersion.Proration(price.proration).label.lower()
        fee = Money(price.fee_micros, price.currency)
        yield PriceRow("Fee", f"{fee} per month; of a month in part: {part}")
    if price.included_units:
        yield PriceRow("Included", f"{included} per month")
    if price.unit_mode == PriceVersion.UnitMode.BLOCK:
        yield PriceRow("A part of a unit", "billed as a whole unit")
