"""Ladders and amounts as the worked examples write them."""

from products.billing.rating import TieredPrice
from products.catalogue.money import Money, nanos
from products.catalogue.tiers import PriceTier


def ladder(tiers, **rest):
    return TieredPrice(
        tiers=tuple(
            PriceTier(None if up_to is None else int(up_to), nanos(price))
            for up_to, price in tiers
        ),
        **rest,
    )


def flat(price, **rest):
    return ladder([(None, price)], **rest)


def usd(amount):
    return Money.of(amount, "USD")
