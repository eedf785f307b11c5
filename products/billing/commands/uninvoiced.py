"""Marks months that have something to bill, but that no sweep can invoice, for staff."""

from datetime import datetime

from accounts.models import Account
from products.billing.models import UninvoicedMonth
from products.months import Month


def mark_uninvoiced(account: Account, month: Month, now: datetime) -> None:
    """Mark a month that can't be invoiced, unless it is marked already."""
    UninvoicedMonth.objects.get_or_create(
        account=account, month=str(month), defaults={"since": now}
    )


def unmark_uninvoiced(account: Account, month: Month) -> None:
    """Remove the mark of a month, if it has one: it has an invoice, or nothing to bill."""
    UninvoicedMonth.objects.filter(account=account, month=str(month)).delete()
