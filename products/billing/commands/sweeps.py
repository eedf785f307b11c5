"""What the sweeps of billing do: each account is tried by itself, and may be tried again."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from django.db import DatabaseError

from accounts.actor import Actor
from accounts.errors import RefusalError
from accounts.models import Account
from products.billing.commands.budgets import check_budget
from products.billing.commands.closing import (
    UsageDeleted,
    bill_late_usage,
    draft_invoice,
    finalize_invoice,
)
from products.billing.commands.corrections import correct_month
from products.billing.commands.credits import expire_credits
from products.billing.commands.running import refresh_bill
from products.billing.commands.uninvoiced import mark_uninvoiced
from products.billing.models import Invoice
from products.billing.queries.bills import is_stale
from products.billing.queries.completeness import final_at, months_to_invoice
from products.billing.queries.invoices import accounts_to_bill, unfinished_invoices
from products.billing.queries.terms import CurrencyConflict, month_at
from products.months import Month

logger = logging.getLogger(__name__)
JOB = Actor.system("bill-accounts")


def refresh_bills(now: datetime) -> int:
    """Compute the running bills again and compare them with the budgets; return how many accounts."""
    return _for_each(
        accounts_to_bill(Month.at(now, "UTC")), lambda each: _refresh(each, now)
    )


def close_due_months(now: datetime) -> int:
    """Draft the invoices of the month that ended, and make due ones final; return how many accounts.

    Late usage of the months before is billed, and expired credits end.
    """
    last = Month.at(now, "UTC").plus(-1)
    return _for_each(accounts_to_bill(last), lambda each: _close(each, now))


def _for_each(accounts: Iterable[Account], carry_out: Callable[[Account], None]) -> int:
    return sum(_is_done(account, carry_out) for account in accounts)


def _is_done(account: Account, carry_out: Callable[[Account], object]) -> bool:
    """Do something for an account; tell whether it was neither refused nor failed."""
    try:
        carry_out(account)
    except RefusalError as refusal:
        logger.info(
            "An account waits for billing.",
            extra={"account_id": account.pk, "code": refusal.code},
        )
        return False
    except DatabaseError:
        logger.exception(
            "An account could not be billed.", extra={"account_id": account.pk}
        )
        return False
    return True


def _refresh(account: Account, now: datetime) -> None:
    # A bill that is refused must not prolong the block of the month before.
    _is_done(account, partial(refresh_bill, now=now))
    check_budget(JOB, account=account, now=now)


def _close(account: Account, now: datetime) -> None:
    running = month_at(account, now)
    # A month that waits for usage does not delay the later ones.
    for month in _months_to_close(account, running):
        _is_done(account, partial(_close_month, month=month, now=now))
    last = running.plus(-1)
    _is_done(
        account, lambda each: bill_late_usage(JOB, account=each, month=last, now=now)
    )
    expire_credits(JOB, account=account, now=now)


def _months_to_close(account: Account, running: Month) -> list[Month]:
    """Return the months that get an invoice, and those whose invoice still waits."""
    waiting = unfinished_invoices().filter(account=account, month__lt=str(running))
    months = map(Month.read, waiting.values_list("month", flat=True))
    return sorted({*months_to_invoice(running), *months})


def _close_month(account: Account, *, month: Month, now: datetime) -> None:
    rows = Invoice.of_month(account, month)
    invoice = rows.exclude(status=Invoice.Status.VOID).first()
    if invoice is None or invoice.status == Invoice.Status.OPEN:
        try:
            draft_invoice(JOB, account=account, month=month, now=now)
        except (CurrencyConflict, UsageDeleted):  # no later run can do it either
            mark_uninvoiced(account, month, now)
            raise
    elif invoice.status == Invoice.Status.DRAFT:
        if now >= final_at(invoice):
            finalize_invoice(JOB, account=account, month=month, now=now)
    elif is_stale(invoice) and now <= month.closes_at(invoice.zone):
        correct_month(JOB, account=account, month=month, now=now)
