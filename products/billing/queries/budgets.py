"""The budget of an account, what of it is spent, and whether it refuses new connections."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from accounts.actor import Actor
from accounts.models import Account
from accounts.policy import require
from accounts.roles import Permission
from products.billing.credit_use import thresholds_reached
from products.billing.models import Budget, Invoice
from products.billing.queries.terms import month_at
from products.catalogue.money import Money
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.queries import budget_blocks

_ALL = 100


class BudgetLevel(StrEnum):
    """How much of a budget is spent: less than its first alert, an alert, all of it, or more."""

    BELOW = "below"
    ALERT = "alert"
    USED_UP = "used_up"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget and how much of it is spent; `blocked_at` is since when it refuses connections.

    `spent` is None if the bill has another currency or can't be computed.
    """

    budget: Budget
    spent: Money | None
    blocked_at: datetime | None

    @property
    def percent(self) -> int | None:
        """Return how many whole percent are spent."""
        if self.spent is None:
            return None
        return self.spent.micros * _ALL // self.budget.amount_micros

    @property
    def reached(self) -> list[int]:
        """Return the thresholds that are reached."""
        if self.spent is None:
            return []
        return thresholds_reached(
            self.spent, self.budget.amount, self.budget.thresholds, ()
        )

    @property
    def level(self) -> BudgetLevel | None:
        """Return how much is spent, as a level; None if that is not known."""
        if self.spent is None:
            return None
        if self.spent >= self.budget.amount:
            is_over = self.spent > self.budget.amount
            return BudgetLevel.OVER if is_over else BudgetLevel.USED_UP
        return BudgetLevel.ALERT if self.reached else BudgetLevel.BELOW

    @property
    def refuses_at_the_end(self) -> bool:
        """Tell whether new connections are refused at 100 %."""
        return self.budget.action == Budget.Action.BLOCK_NEW


def budget_state(
    actor: Actor, account: Account, spent: Money | None
) -> BudgetState | None:
    """Return the budget, compared with what is spent; None without one. Raises Forbidden."""
    require(actor, Permission.BILLING_READ, account)
    budget = Budget.objects.filter(account=account).first()
    if budget is None:
        return None
    block = budget_blocks(account.pk).get(WEBSOCKETS)
    return BudgetState(
        budget,
        spent if spent is not None and spent.currency == budget.currency else None,
        block.blocked_at if block else None,
    )


def running_invoice(account: Account, now: datetime) -> Invoice | None:
    """Return the saved bill of the month that runs; it is at most ten minutes old."""
    month = str(month_at(account, now))
    rows = Invoice.objects.filter(account=account, month=month)
    return rows.filter(status=Invoice.Status.OPEN).first()


def is_blocking(budget: Budget, invoice: Invoice | None) -> bool:
    """Tell whether new connections are refused: the budget says so and is spent."""
    return (
        budget.action == Budget.Action.BLOCK_NEW
        and invoice is not None
        and invoice.currency == budget.currency
        and bool(thresholds_reached(invoice.subtotal, budget.amount, [_ALL], ()))
    )
