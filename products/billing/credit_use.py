"""Which credits an invoice uses, and which thresholds of a budget were reached; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from products.catalogue.money import Money

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class AvailableCredit:
    """A credit with what is left of it; without `expires_on` it does not expire."""

    id: int
    left: Money
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class CreditUse:
    """How much of a credit an invoice uses."""

    id: int
    amount: Money


def credits_used(
    subtotal: Money, available: Iterable[AvailableCredit]
) -> list[CreditUse]:
    """Use credits up to the subtotal, those that expire soonest first (V26)."""
    due = subtotal
    used = []
    for credit in sorted(
        available, key=lambda each: (each.expires_on or date.max, each.id)
    ):
        amount = min(credit.left, due)
        if amount.micros > 0:
            used.append(CreditUse(credit.id, amount))
            due -= amount
    return used


def thresholds_reached(
    spent: Money, budget: Money, thresholds: Sequence[int], fired: Iterable[int]
) -> list[int]:
    """Return the percentages of a budget that an amount reaches and that have not fired (V27)."""
    before = set(fired)
    return [
        percent
        for percent in sorted(thresholds)
        if percent not in before and spent.micros * _PERCENT >= budget.micros * percent
    ]
