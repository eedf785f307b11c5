"""Credits that are left, and the balance of an account."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.models import Account
from products.billing.credit_use import AvailableCredit
from products.billing.models import Contract, Credit, CreditEntry, Invoice
from products.billing.queries.bills import unbilled_adjustments
from products.billing.queries.invoices import unfinished_invoices
from products.billing.queries.terms import currency_of, month_at
from products.catalogue.money import Money
from products.months import Month


def credits_for(invoice: Invoice) -> list[AvailableCredit]:
    """Return the credits that an invoice can use, with what is left of each.

    They are valid on the last day of its month, whenever it becomes final.
    """
    last_day = Month.read(invoice.month).last_day
    usable = Q(expires_on=None) | Q(expires_on__gte=last_day)
    rows = _with_rest(invoice.account_id).filter(usable, currency=invoice.currency)
    return [
        AvailableCredit(row.pk, Money(row.left, row.currency), row.expires_on)
        for row in rows
    ]


def expired_credits(account_id: str, now: datetime) -> list[tuple[Credit, int]]:
    """Return the credits that expired with something left, and how much: in micro-units.

    A credit has not expired while it can be used by an invoice that is not final yet, or that
    replaces a voided one.
    """
    void = Invoice.objects.filter(status=Invoice.Status.VOID, replaced_by=None)
    rows = (unfinished_invoices() | void).filter(account_id=account_id)
    waiting = [(row.currency, Month.read(row.month).last_day) for row in rows]
    return [
        (row, row.left)
        for row in _with_rest(account_id).filter(expires_on__lt=now.date())
        if not any(
            currency == row.currency and last_day <= row.expires_on
            for currency, last_day in waiting
        )
    ]


def usable_currencies(account: Account, now: datetime) -> set[str]:
    """Return the currencies in which an account can use a credit.

    That of its running bill and of contracts that start later, and those of invoices that are not
    final and of late usage that is not billed, which can be in an earlier currency.
    """
    month = month_at(account, now)
    later = Contract.objects.filter(account=account, from_month__gt=str(month))
    late = unbilled_adjustments().filter(corrects__account=account)
    return {
        currency_of(account, month),
        *later.values_list("currency", flat=True),
        *unfinished_invoices()
        .filter(account=account)
        .values_list("currency", flat=True),
        *late.values_list("corrects__currency", flat=True),
    }


def last_month_paid(expires_on: date) -> Month:
    """Return the last month whose invoice can use a credit that expires on a day."""
    following = expires_on + timedelta(days=1)
    return Month(following.year, following.month).plus(-1)


def balance(account_id: str, currency: str) -> Money:
    """Return what is left of all credits of an account: the sum of the credit ledger."""
    rows = CreditEntry.objects.filter(account_id=account_id, credit__currency=currency)
    return Money(rows.aggregate(total=Sum("amount_micros"))["total"] or 0, currency)


def other_balances(account_id: str, currency: str) -> list[Money]:
    """Return what is left of credits in other currencies, where anything is."""
    rows = CreditEntry.objects.filter(account_id=account_id)
    sums = rows.values_list("credit__currency").annotate(total=Sum("amount_micros"))
    return [
        Money(total, each)
        for each, total in sums.order_by("credit__currency")
        if each != currency and total
    ]


def credit_rows(account_id: str) -> "QuerySet[Any]":
    """Return all credits of an account, newest first, with what is `left` of each in micro-units."""
    rows = Credit.objects.filter(account_id=account_id)
    return (
        rows.annotate(left=Coalesce(Sum("entries__amount_micros"), 0))
        .select_related("credit_note__invoice")
        .order_by("-granted_at", "-pk")
    )


def _with_rest(account_id: str) -> "QuerySet[Any]":
    rows = Credit.objects.filter(account_id=account_id)
    return rows.annotate(left=Sum("entries__amount_micros")).filter(left__gt=0)
