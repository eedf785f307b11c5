"""Sets budgets, compares the running bill with them, and blocks WebSockets if one says so."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Invalid
from accounts.models import Account
from accounts.policy import require
from accounts.roles import Permission
from products.billing.commands.lines import money_fact
from products.billing.commands.running import refresh_bill
from products.billing.credit_use import thresholds_reached
from products.billing.models import Budget, BudgetAlert, Invoice
from products.billing.queries.budgets import is_blocking, running_invoice
from products.billing.queries.terms import CurrencyConflict, currency_of, month_at
from products.catalogue.models import Product
from products.catalogue.money import CURRENCY_NEEDED, Money, is_currency
from products.compatibility.version_config import WEBSOCKETS
from products.enablement.commands.enablements import (
    block_for_budget,
    unblock_for_budget,
)

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
    impossible amount, threshold or action, or for another currency than that of the bill. Notes
    budget.changed, and product.blocked or product.unblocked if it changes whether new connections
    are refused. Thresholds that fired this month do not fire again. A budget that can refuse
    connections is compared with the bill of now.
    """
    _check(amount, thresholds, action)
    currency = currency_of(account, month_at(account, now))
    if amount.currency != currency:
        raise Invalid(
            f"The account is billed in {currency}. Enter the budget in it.",
            field="currency",
        )
    blocks = action == Budget.Action.BLOCK_NEW
    permission = Permission.PRODUCT_ENABLE if blocks else Permission.BUDGET_MANAGE
    require(actor, permission, account)
    if blocks:
        with suppress(CurrencyConflict):  # then the saved bill counts
            refresh_bill(account, now=now)
    with recorded_change(actor, permission, on=account, now=now) as trail:
        old = Budget.objects.select_for_update().filter(account=account).first()
        budget = old or Budget(account=account)
        before = _facts(old) if old else None
        budget.currency, budget.amount_micros = amount.currency, amount.micros
        budget.thresholds, budget.action = sorted(set(thresholds)), action
        if before == _facts(budget):
            raise Unchanged
        budget.changed_at, budget.changed_by = trail.now, actor.words
        budget.save()
        trail.note(
            Event.BUDGET_CHANGED,
            target=("budget", str(budget.pk), str(budget)),
            before=before or {"amount": ""},
            after=_facts(budget),
        )
        _block_or_unblock(trail, budget, trail.now)
    return budget


def remove_budget(actor: Actor, *, account: Account, now: datetime) -> None:
    """Remove the budget of an account; new connections that it refuses are accepted again.

    Does nothing without a budget. Alerts of the month are kept: if a budget is set again, they do
    not fire again. Raises Forbidden. Notes budget.removed, and product.unblocked if it refused
    new connections.
    """
    with recorded_change(actor, Permission.BUDGET_MANAGE, on=account, now=now) as trail:
        budget = Budget.objects.select_for_update().filter(account=account).first()
        if budget is None:
            raise Unchanged
        trail.note(
            Event.BUDGET_REMOVED,
            target=("budget", str(budget.pk), str(budget)),
            before=_facts(budget),
        )
        budget.action = Budget.Action.NOTIFY
        _block_or_unblock(trail, budget, trail.now)
        budget.delete()


def lift_block(actor: Actor, *, account: Account, now: datetime) -> None:
    """Let the budget only notify from now on, so that new connections are accepted again.

    Does nothing if it blocks nothing. Raises Forbidden. Notes budget.changed and
    product.unblocked.
    """
    with recorded_change(actor, Permission.BUDGET_MANAGE, on=account, now=now) as trail:
        budget = Budget.objects.select_for_update().filter(account=account).first()
        if budget is None or budget.action != Budget.Action.BLOCK_NEW:
            raise Unchanged
        before = _facts(budget)
        budget.action = Budget.Action.NOTIFY
        budget.changed_at, budget.changed_by = trail.now, actor.words
        budget.save()
        trail.note(
            Event.BUDGET_CHANGED,
            target=("budget", str(budget.pk), str(budget)),
            before=before,
            after=_facts(budget),
        )
        _block_or_unblock(trail, budget, trail.now)


def check_budget(actor: Actor, *, account: Account, now: datetime) -> list[int]:
    """Compare the running bill with the budget; return the percentages that were reached now.

    Each threshold fires once per month. At 100 % new connections are refused if the budget says so,
    until the month ends. Raises Forbidden. Notes budget.reached per threshold, of which those who
    can see costs get a notice, and product.blocked or product.unblocked.
    """
    reached: list[int] = []
    with recorded_change(actor, Permission.BUDGET_CHECK, on=account, now=now) as trail:
        budget = Budget.objects.filter(account=account).first()
        if budget is None:
            raise Unchanged
        invoice = running_invoice(account, trail.now)
        if invoice is not None and invoice.currency == budget.currency:
            reached = _reached(budget, invoice)
            for percent in reached:
                _fire(trail, budget, invoice, percent, trail.now)
        if not _block_or_unblock(trail, budget, trail.now) and not reached:
            raise Unchanged
    return reached


def _reached(budget: Budget, invoice: Invoice) -> list[int]:
    fired = BudgetAlert.objects.filter(
        account_id=budget.account_id, month=invoice.month
    )
    return thresholds_reached(
        invoice.subtotal,
        budget.amount,
        budget.thresholds,
        fired.values_list("percent", flat=True),
    )


def _block_or_unblock(trail: Trail, budget: Budget, now: datetime) -> bool:
    """Refuse new connections if the budget says so, or accept them again; tell whether that changed."""
    account, product = budget.account, Product.objects.filter(pk=WEBSOCKETS).first()
    if product is None:
        return False
    if not is_blocking(budget, running_invoice(account, now)):
        return unblock_for_budget(trail, account, product)
    return block_for_budget(trail, account, product, now)


def _check(amount: Money, thresholds: Sequence[int], action: str) -> None:
    if amount.micros <= 0:
        raise Invalid("Enter an amount above zero.", field="amount")
    if not is_currency(amount.currency):
        raise Invalid(CURRENCY_NEEDED, field="currency")
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
