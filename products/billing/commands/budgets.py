"""Sets budgets, and compares the running bill with them."""

from collections.abc import Sequence
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.billing.commands.lines import money_fact
from products.billing.credit_use import thresholds_reached
from products.billing.models import Budget, BudgetAlert, Invoice
from products.billing.queries.terms import month_at
from products.catalogue.money import Money, is_currency

MAX_THRESHOLDS = 10
MAX_PERCENT = 1_000


def set_budget(
    actor: Actor,
    *,
    account: Account,
    amount: Money,
    thresholds: Sequence[int],
    action: str,
    now: datetime,
) -> Budget:
    """Set the monthly budget of an account, its thresholds in percent, and what happens at 100 %.

    To refuse new connections at 100 % is for superusers alone. Raises Forbidden; Invalid for an
    impossible amount, threshold or action. Notes budget.changed. Thresholds that fired this month
    do not fire again.
    """
    _check(amount, thresholds, action)
    blocks = action == Budget.Action.BLOCK_NEW
    permission = Permission.PRODUCT_ENABLE if blocks else Permission.BUDGET_MANAGE
    with recorded_change(actor, permission, on=account, now=now) as trail:
        old = Budget.objects.select_for_update().filter(account=account).first()
        budget = old or Budget(account=account)
        before = _facts(old) if old else None
        budget.currency, budget.amount_micros = amount.currency, amount.micros
        budget.thresholds, budget.action = sorted(set(thresholds)), action
        if before == _facts(budget):
            raise Unchanged
        budget.changed_at, budget.changed_by = now, actor.label
        budget.save()
        trail.note(
            Event.BUDGET_CHANGED,
            target=("budget", str(budget.pk), str(budget)),
            before=before or {"amount": ""},
            after=_facts(budget),
        )
    return budget


def check_budget(actor: Actor, *, account: Account, now: datetime) -> list[int]:
    """Compare the running bill with the budget; return the percentages that were reached now.

    Each threshold fires once per month. Raises Forbidden. Notes budget.reached per threshold, of
    which those who can see costs get a notice.
    """
    month = month_at(account, now)
    reached: list[int] = []
    with recorded_change(actor, Permission.BUDGET_CHECK, on=account, now=now) as trail:
        budget = Budget.objects.filter(account=account).first()
        invoice = Invoice.objects.filter(
            account=account, month=str(month), status=Invoice.Status.OPEN
        ).first()
        if budget is None or invoice is None or invoice.currency != budget.currency:
            raise Unchanged
        fired = BudgetAlert.objects.filter(account=account, month=str(month))
        reached = thresholds_reached(
            invoice.subtotal,
            budget.amount,
            budget.thresholds,
            fired.values_list("percent", flat=True),
        )
        if not reached:
            raise Unchanged
        for percent in reached:
            _fire(trail, budget, invoice, percent, now)
    return reached


def _check(amount: Money, thresholds: Sequence[int], action: str) -> None:
    if amount.micros <= 0:
        raise Invalid("Enter an amount above zero.", field="amount")
    if not is_currency(amount.currency):
        raise Invalid("Enter a currency of ISO 4217, such as USD.", field="currency")
    if not 0 < len(thresholds) <= MAX_THRESHOLDS:
        raise Invalid(f"Enter one to {MAX_THRESHOLDS} percentages.", field="thresholds")
    if any(not 0 < each <= MAX_PERCENT for each in thresholds):
        raise Invalid(f"Enter percentages from 1 to {MAX_PERCENT}.", field="thresholds")
    if action not in Budget.Action.values:
        raise Invalid("Choose what happens at 100 %.", field="action")


def _facts(budget: Budget) -> dict[str, object]:
    return {
        "amount": money_fact(budget.amount),
        "thresholds": budget.thresholds,
        "action": str(budget.action),
    }


def _fire(
    trail: Trail, budget: Budget, invoice: Invoice, percent: int, now: datetime
) -> None:
    BudgetAlert.objects.create(
        account_id=budget.account_id,
        month=invoice.month,
        percent=percent,
        currency=budget.currency,
        budget_micros=budget.amount_micros,
        spent_micros=invoice.subtotal_micros,
        reached_at=now,
    )
    trail.note(
        Event.BUDGET_REACHED,
        target=("budget", str(budget.pk), str(budget)),
        after={
            "month": invoice.month,
            "percent": percent,
            "spent": money_fact(invoice.subtotal),
            "amount": money_fact(budget.amount),
        },
    )
