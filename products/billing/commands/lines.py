"""Steps of commands: write a computed bill to its invoice, and draw the number of a series."""

from products.billing.models import Invoice, InvoiceLine, NumberSeries
from products.billing.queries.bills import Bill
from products.billing.queries.rows import fill_invoice, invoice_rows
from products.catalogue.money import Money


def write_bill(invoice: Invoice, bill: Bill) -> list[InvoiceLine]:
    """Save an invoice that is not final with the lines of a bill, in place of its earlier ones."""
    fill_invoice(invoice, bill)
    invoice.save()
    invoice.lines.all().delete()
    return InvoiceLine.objects.bulk_create(invoice_rows(invoice, bill), batch_size=500)


def next_number(series: str, prefix: str) -> str:
    """Draw the next number of a gapless series; its row stays locked until the commit."""
    NumberSeries.objects.get_or_create(name=series)
    row = NumberSeries.objects.select_for_update().get(name=series)
    row.last += 1
    row.save(update_fields=["last"])
    return f"{prefix}-{row.last:06d}"


def money_fact(amount: Money) -> dict[str, str]:
    """Return an amount as the audit trail keeps it."""
    return {"amount": str(amount.amount), "currency": amount.currency}
