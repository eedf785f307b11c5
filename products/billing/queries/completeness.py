"""What an invoice waits for before it becomes final, and which usage records invoices wait for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import Account
from products.billing.models import Invoice
from products.billing.queries.bills import running_bill
from products.billing.queries.terms import CurrencyConflict, month_at
from products.calendars import calendar_of
from products.enablement.queries import running_trials
from products.metering.models import UsageDispute, UsagePeriod
from products.metering.queries.edges import edges_behind
from products.metering.queries.usage import service_ids_of
from products.months import Month

GRACE = timedelta(days=3)
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that an invoice waits for; `code` is for programs, the sentence for people."""

    code: str
    sentence: str


def final_at(invoice: Invoice) -> datetime:
    """Return when the invoice becomes final if its usage is complete."""
    return invoice.ends_at + GRACE


def missing_usage(invoice: Invoice) -> list[Missing]:
    """Return why the usage of an invoice is not complete; each edge and dispute is named."""
    edges = [
        Missing(
            "edge_behind",
            f"The edge {edge.name} has not reported its usage up to the end.",
        )
        for edge in edges_behind(invoice.ends_at)
    ]
    disputes = UsageDispute.objects.filter(
        service__in=service_ids_of(invoice.account_id),
        month=invoice.month,
        resolved_at=None,
    ).order_by("pk")
    named = [
        Missing("open_dispute", f"The dispute about {row.record_id} is open.")
        for row in disputes[:_MAX_NAMED]
    ]
    more = disputes.count() - len(named)
    if more:
        words = "dispute is" if more == 1 else "disputes are"
        named.append(Missing("open_dispute", f"{more:,} more {words} open."))
    return [*edges, *named]


def needs_usage(account: Account, month: Month, now: datetime) -> bool:
    """Tell whether something is still computed from the usage records of an account's month.

    A running trial counts its minutes from them. Of the bills, one that is not final needs them,
    and so does a month with something to bill that has no invoice yet, such as one whose prices
    are in two currencies. A month without anything to bill never gets an invoice. One whose
    invoice was voided needs them for as long as the sweep invoices it again.
    """
    ends_at = calendar_of(account).ends_at(month)
    if running_trials().filter(account=account, starts_at__lt=ends_at).exists():
        return True
    invoices = Invoice.of_month(account, month)
    statuses = set(invoices.values_list("status", flat=True))
    if statuses <= {Invoice.Status.VOID}:
        if statuses:
            return month in months_to_invoice(month_at(account, now))
        return _has_something_to_bill(account, month, now)
    return Invoice.Status.FINAL not in statuses


def lacks_invoice(account: Account, month: Month, now: datetime) -> bool:
    """Tell whether an account's month that is over has something to bill, but never had an invoice."""
    if Invoice.of_month(account, month).exists():
        return False
    return _has_something_to_bill(account, month, now)


def obstacle(account: Account, month: Month, now: datetime) -> str:
    """Return why a month that has something to bill can't be invoiced, or that it now can."""
    if deleted_usage(account.pk, month):
        return "Its usage records were deleted."
    try:
        running_bill(account, month, now)
    except CurrencyConflict as conflict:
        return conflict.message
    return "It can be invoiced now."


def _has_something_to_bill(account: Account, month: Month, now: datetime) -> bool:
    try:
        return running_bill(account, month, now).has_something
    except CurrencyConflict:
        return True


def deleted_usage(account_id: str, month: Month) -> bool:
    """Tell whether usage records of an account's month were deleted because they were old."""
    periods = UsagePeriod.objects.filter(
        service__in=service_ids_of(account_id), month=str(month)
    )
    return periods.exclude(records_deleted_at=None).exists()


def months_to_invoice(running: Month) -> set[Month]:
    """Return the months that the sweep invoices if they have no invoice, or only a voided one."""
    return {running.plus(-2), running.plus(-1)}
