"""Splits an amount so that the parts add up to it exactly: by the largest remainder; pure."""

from collections.abc import Mapping

from products.catalogue.money import MICROS, Money, minor_digits


def shares(amount: Money, weights: Mapping[str, int]) -> dict[str, Money]:
    """Split an amount by weights into whole minor units; ties go to the smaller key (V11).

    The parts add up to the amount. Without any weight, all parts are zero.
    """
    unit = MICROS // 10 ** minor_digits(amount.currency)
    units, whole = amount.micros // unit, sum(weights.values())
    if not whole:
        return {key: Money(0, amount.currency) for key in weights}
    parts = {key: units * weight // whole for key, weight in weights.items()}
    remainders = sorted(weights, key=lambda key: (-(units * weights[key] % whole), key))
    for key in remainders[: units - sum(parts.values())]:
        parts[key] += 1
    return {key: Money(part * unit, amount.currency) for key, part in parts.items()}
