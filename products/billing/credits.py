"""What credits pay of a bill, and which shares of a budget it has reached; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from products.catalogue.money import Money

_WHOLE = 100  # shares are percentages


@dataclass(frozen=True, slots=True)
class Credit:
    """What is left of a credit, and its last day (None when it does not expire)."""

    id: str
    left: Money
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class CreditUse:
    """What was taken from one credit."""

    id: str
    amount: Money


def spend(due: Money, credits_: Iterable[Credit]) -> tuple[CreditUse, ...]:
    """Pay what is due from credits, the soonest to expire first, ties by id.

    Never takes more than is due, and never makes what is due negative. Credits that
    expired before the bill are the caller's to leave out.
    """
    spent = []
    for credit in sorted(credits_, key=_soonest):
        taken = min(credit.left, due)
        if taken <= Money.zero(due.currency):
            continue
        spent.append(CreditUse(credit.id, taken))
        due -= taken
    return tuple(spent)


def thresholds_reached(
    budget: Money, running: Money, shares: Iterable[int]
) -> tuple[int, ...]:
    """Return which shares of a budget, in percent, a running amount has reached.

    Exactly a share counts as reaching it. Each fires once a period: leave out of
    `shares` those that have fired.
    """
    return tuple(
        share
        for share in sorted(shares)
        if budget.micros * share <= _same(budget, running).micros * _WHOLE
    )


def _soonest(credit: Credit) -> tuple[date, str]:
    return (credit.expires_on or date.max, credit.id)


def _same(budget: Money, running: Money) -> Money:
    return Money.zero(budget.currency) + running
