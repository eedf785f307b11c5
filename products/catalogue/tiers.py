"""The tiers of a price: which of them make a ladder; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class PriceTier:
    """A tier: up to this many whole units (None for no end), each at this price in nano-units."""

    up_to: int | None
    unit_price_nanos: int


def tiers_problem(steps: Sequence[PriceTier]) -> str:
    """Say what keeps steps from being a ladder, which rises and has no end; "" for nothing."""
    bounds = [step.up_to for step in steps]
    whole = [bound for bound in bounds if bound is not None]
    if not steps or bounds[-1] is not None or len(whole) != len(bounds) - 1:
        return "The last tier, and only it, has no end."
    if any(low >= high for low, high in pairwise([0, *whole])):
        return "Each tier must end after the one before it."
    if any(step.unit_price_nanos < 0 for step in steps):
        return "A price cannot be negative."
    return ""
