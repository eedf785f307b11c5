"""Invoices without lines, and contracts, for tests that only need that there is one."""

from accounts.models import Account
from products.billing.models import Contract, Invoice
from products.months import Month
from tests.factories import NOW


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


def bill_in_euros(account: Account) -> None:
    """Give an account a contract in a currency in which nothing has a price."""
    Contract.objects.create(
        account=account,
        from_month="2026-11",
        currency="EUR",
        assigned_at=NOW,
        assigned_by="Ada",
        reason="Signed",
    )
