"""Keeps the open invoice of the running month up to date.

It is derived data, so it needs no audit entry.
"""

from datetime import datetime

from django.db import transaction

from accounts.models import Account
from products.billing.commands.lines import write_bill
from products.billing.models import Invoice
from products.billing.queries.bills import bounds_of, running_bill
from products.billing.queries.terms import month_at
from products.metering.commands import keep_bounds
from products.metering.queries.usage import service_ids_of
from products.months import Month


def refresh_bill(account: Account, *, now: datetime) -> Invoice | None:
    """Compute the bill of the running month again; None if there is nothing to bill.

    From now on, the periods of the month keep the usage up to where its segments start and end.
    Raises CurrencyConflict.
    """
    month = month_at(account, now)
    bill = running_bill(account, month, now)
    keep_bounds(service_ids_of(account.pk), month, bounds_of(bill.terms), now)
    if not bill.has_something:
        return None
    with transaction.atomic():
        invoice = active_invoice(account, month)
        if invoice is None:
            invoice = Invoice(account=account, month=str(month))
        if invoice.status != Invoice.Status.OPEN:
            return invoice
        write_bill(invoice, bill)
    return invoice


def active_invoice(account: Account, month: Month) -> Invoice | None:
    """Return the invoice of a month that is not void, locked; None if there is none."""
    rows = Invoice.of_month(account, month).select_for_update()
    return rows.exclude(status=Invoice.Status.VOID).first()
