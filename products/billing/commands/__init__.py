"""Commands about bills: close months, correct them, grant credits, set budgets, assign contracts."""

from products.billing.commands.budgets import (
    check_budget,
    lift_block,
    remove_budget,
    set_budget,
)
from products.billing.commands.closing import (
    bill_late_usage,
    draft_invoice,
    finalize_invoice,
    void_invoice,
)
from products.billing.commands.contracts import ContractTerms, assign_contract
from products.billing.commands.corrections import correct_month
from products.billing.commands.credits import expire_credits, grant_credit
from products.billing.commands.running import refresh_bill

__all__ = [
    "ContractTerms",
    "assign_contract",
    "bill_late_usage",
    "check_budget",
    "correct_month",
    "draft_invoice",
    "expire_credits",
    "finalize_invoice",
    "grant_credit",
    "lift_block",
    "refresh_bill",
    "remove_budget",
    "set_budget",
    "void_invoice",
]
