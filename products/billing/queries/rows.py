"""A computed bill as the rows of an invoice; they are saved by commands."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from accounts.models import Account
from products.billing.bill import Line
from products.billing.models import Contract, Invoice, InvoiceLine
from products.billing.queries.bills import Bill
from products.catalogue.money import unit_price
from products.services.models import Service


def fill_invoice(invoice: Invoice, bill: Bill) -> None:
    """Set the fields of an invoice that follow from a bill."""
    terms = bill.terms
    invoice.starts_at, invoice.ends_at = terms.starts_at, terms.ends_at
    invoice.zone, invoice.currency = terms.zone, terms.currency
    invoice.counted_at, invoice.complete_to = bill.counted_at, bill.complete_to
    invoice.subtotal_micros = invoice.due_micros = bill.subtotal.micros


def fill_parties(invoice: Invoice, account: Account, contract: Contract | None) -> None:
    """Set seller, buyer, tax note and payment terms; those of the contract, if there is one."""
    invoice.seller = settings.INVOICE_SELLER
    invoice.tax_note = settings.INVOICE_TAX_NOTE
    invoice.buyer = account.name
    if contract is not None:
        invoice.buyer = contract.buyer or account.name
        invoice.tax_note = contract.tax_note or invoice.tax_note
        invoice.payment_terms_days = contract.payment_terms_days


def invoice_rows(invoice: Invoice, bill: Bill) -> list[InvoiceLine]:
    """Return the lines of a bill as rows of an invoice."""
    names = dict(
        Service.objects.filter(account_id=invoice.account_id).values_list("pk", "name")
    )
    return [
        _row(invoice, position, line, names)
        for position, line in enumerate(bill.lines, start=1)
    ]


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
