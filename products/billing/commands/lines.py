"""Steps of commands: write a computed bill to its invoice, and draw the number of a series."""

from collections.abc import Mapping
from typing import Any

from products.billing.bill import Line
from products.billing.models import Invoice, InvoiceLine, NumberSeries
from products.billing.queries.bills import Bill
from products.catalogue.money import Money, unit_price
from products.services.models import Service


def write_bill(invoice: Invoice, bill: Bill) -> list[InvoiceLine]:
    """Save an invoice that is not final with the lines of a bill, in place of its earlier ones."""
    terms = bill.terms
    invoice.starts_at, invoice.ends_at = terms.starts_at, terms.ends_at
    invoice.zone, invoice.currency = terms.zone, terms.currency
    invoice.counted_at, invoice.complete_to = bill.counted_at, bill.complete_to
    invoice.subtotal_micros = invoice.due_micros = bill.subtotal.micros
    invoice.save()
    invoice.lines.all().delete()
    names = dict(
        Service.objects.filter(account_id=invoice.account_id).values_list("pk", "name")
    )
    rows = [
        _row(invoice, position, line, names)
        for position, line in enumerate(bill.lines, start=1)
    ]
    return InvoiceLine.objects.bulk_create(rows, batch_size=500)


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


def _row(
    invoice: Invoice, position: int, line: Line, names: Mapping[str, str]
) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        position=position,
        kind=line.kind,
        month=line.month or invoice.month,
        product_id=line.product,
        meter=line.meter,
        price_version_id=line.price.version_id if line.price else None,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        quantity=line.quantity,
        connections=line.connections,
        tier_start=line.tier_start,
        tiers=_tiers(line),
        services=[
            {
                "service": key,
                "name": names.get(key, ""),
                "quantity": quantity,
                "amount_micros": amount.micros,
            }
            for key, (quantity, amount) in sorted(line.services.items())
        ],
        amount_exact=f"{line.exact:f}",
        amount_micros=line.amount.micros,
        usage_digest=line.digest,
    )


def _tiers(line: Line) -> list[dict[str, Any]]:
    return [
        {
            "up_to": each.tier.up_to,
            "unit_price": str(unit_price(each.tier.unit_price_nanos)),
            "unit_price_nanos": each.tier.unit_price_nanos,
            "quantity": each.quantity,
            "amount_exact": f"{each.exact:f}",
        }
        for each in (line.rated.lines if line.rated else ())
    ]
