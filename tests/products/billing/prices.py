"""Tiered prices and amounts as the worked examples write them."""

from products.catalogue.money import Money, nanos
from products.catalogue.tiers import PriceTier, TieredPrice


def tiered(tiers, **rest):
    return TieredPrice(
        tiers=tuple(
            PriceTier(None if up_to is None else int(up_to), nanos(price))
            for up_to, price in tiers
        ),
        **rest,
    )


def per_unit(price, **rest):
    return tiered([(None, price)], **rest)


def usd(amount):
    return Money.of(amount, "USD")
