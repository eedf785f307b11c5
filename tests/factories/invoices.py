"""Invoices without lines, for tests that only need that there is one."""

from accounts.models import Account
from products.billing.models import Invoice
from products.months import Month


def invoice(
    account: Account, label: str, number: str | None = None, **fields: str
) -> Invoice:
    """Save a draft, and make it final if it gets a number, as closing does."""
    month = Month.read(label)
    row = Invoice.objects.create(
        account=account,
        month=label,
        starts_at=month.starts_at("UTC"),
        ends_at=month.ends_at("UTC"),
        zone="UTC",
        status="draft",
        counted_at=month.ends_at("UTC"),
        **{"currency": "USD"} | fields,
    )
    if number:
        row.status, row.number, row.finalized_at = "final", number, row.ends_at
        row.save()
    return row
