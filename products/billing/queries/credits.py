"""Credits that are left, and the balance of an account."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from products.billing.credit_use import AvailableCredit
from products.billing.models import Credit, CreditEntry
from products.catalogue.money import Money


def credits_left(
    account_id: str, currency: str, now: datetime
) -> list[AvailableCredit]:
    """Return the credits of an account that can still be used at a time, with what is left."""
    usable = Q(expires_on=None) | Q(expires_on__gte=now.date())
    return [
        AvailableCredit(row.pk, Money(row.left, currency), row.expires_on)
        for row in _with_rest(account_id).filter(usable, currency=currency)
    ]


def expired_credits(account_id: str, now: datetime) -> list[tuple[Credit, int]]:
    """Return the credits that expired with something left, and how much: in micro-units."""
    rows = _with_rest(account_id).filter(expires_on__lt=now.date())
    return [(row, row.left) for row in rows]


def balance(account_id: str, currency: str) -> Money:
    """Return what is left of all credits of an account: the sum of the credit ledger."""
    rows = CreditEntry.objects.filter(account_id=account_id, credit__currency=currency)
    return Money(rows.aggregate(total=Sum("amount_micros"))["total"] or 0, currency)


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
