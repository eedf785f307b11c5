"""Ladders and amounts as the worked examples write them."""

from products.billing.rating import Ladder
from products.catalogue.ladder import Step
from products.catalogue.money import Money, nanos


def ladder(tiers, **rest):
    return Ladder(
        tiers=tuple(
            Step(None if up_to is None else int(up_to), nanos(price))
            for up_to, price in tiers
        ),
        **rest,
    )


def flat(price, **rest):
    return ladder([(None, price)], **rest)


def usd(amount):
    return Money.of(amount, "USD")
