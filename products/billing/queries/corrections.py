"""What a final invoice and its corrections bill, compared with the usage of its month."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from products.billing.bill import Line
from products.billing.models import Adjustment, CreditNote, Invoice
from products.catalogue.money import Money

Key = tuple[str, str]  # product and meter


@dataclass(frozen=True, slots=True)
class UnbilledUsage:
    """How much more a month's usage on a meter is than what was billed; negative if it is less."""

    product: str
    meter: str  # empty for fees
    quantity: int
    amount: Money


@dataclass(frozen=True, slots=True)
class Corrections:
    """What was billed less of a month with credit notes, and more on later invoices."""

    credit_notes: Sequence[CreditNote]
    adjustments: Sequence[Adjustment]
    billed: Money  # in all, before credits and tax

    def __bool__(self) -> bool:
        """Tell whether anything was corrected."""
        return bool(self.credit_notes or self.adjustments)


def corrections_of(invoice: Invoice) -> Corrections:
    """Return what has corrected a final invoice so far, oldest first: two queries."""
    notes = tuple(invoice.credit_notes.select_related("product").order_by("pk"))
    adjustments = tuple(
        invoice.adjustments.select_related("product", "billed_on").order_by("pk")
    )
    less = sum(each.amount_micros for each in notes)
    more = sum(each.amount_micros for each in adjustments)
    billed = invoice.subtotal + Money(more - less, invoice.currency)
    return Corrections(notes, adjustments, billed)


def unbilled_usage(invoice: Invoice, lines: Iterable[Line]) -> list[UnbilledUsage]:
    """Compare the computed `lines` of a month with its invoice, adjustments and credit notes.

    Only what differs by an amount is returned, one per product and meter.
    """
    quantities: Counter[Key] = Counter()
    amounts: Counter[Key] = Counter()
    for line in lines:
        if line.kind in {"usage", "fee"}:
            quantities[line.product, line.meter] += line.quantity
            amounts[line.product, line.meter] += line.amount.micros
    for row in invoice.lines.filter(kind__in=["usage", "fee"]):
        quantities[row.product_id, row.meter] -= row.quantity
        amounts[row.product_id, row.meter] -= row.amount_micros
    for adjustment in invoice.adjustments.all():
        quantities[adjustment.product_id, adjustment.meter] -= adjustment.quantity
        amounts[adjustment.product_id, adjustment.meter] -= adjustment.amount_micros
    for note in invoice.credit_notes.all():
        quantities[note.product_id, note.meter] += note.quantity
        amounts[note.product_id, note.meter] += note.amount_micros
    return [
        UnbilledUsage(*key, quantities[key], Money(amount, invoice.currency))
        for key, amount in sorted(amounts.items())
        if amount
    ]
