"""The content of an invoice as plain values, and its hash; what exports and checks read."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from products.billing.models import Invoice, InvoiceLine
from products.catalogue.money import Money


def content_of(invoice: Invoice, lines: Iterable[InvoiceLine]) -> dict[str, Any]:
    """Return all that an invoice says, as plain values; money as decimals in text."""

    def money(micros: int) -> str:
        return str(Money(micros, invoice.currency).amount)

    return {
        "number": invoice.number,
        "kind": invoice.kind,
        "replaces": invoice.replaces.number if invoice.replaces else None,
        "account": invoice.account_id,
        "month": invoice.month,
        "starts_at": invoice.starts_at.isoformat(),
        "ends_at": invoice.ends_at.isoformat(),
        "zone": invoice.zone,
        "currency": invoice.currency,
        "seller": invoice.seller,
        "buyer": invoice.buyer,
        "tax_note": invoice.tax_note,
        "payment_terms_days": invoice.payment_terms_days,
        "finalized_at": invoice.finalized_at and invoice.finalized_at.isoformat(),
        "due_on": invoice.due_on and invoice.due_on.isoformat(),
        "subtotal": money(invoice.subtotal_micros),
        "credits": money(invoice.credits_micros),
        "due": money(invoice.due_micros),
        "lines": [
            {
                "position": line.position,
                "kind": line.kind,
                "month": line.month,
                "product": line.product_id,
                "meter": line.meter,
                "price_version": line.price_version_id,
                "starts_at": line.starts_at.isoformat(),
                "ends_at": line.ends_at.isoformat(),
                "quantity": line.quantity,
                "connections": line.connections,
                "tier_start": line.tier_start,
                "tiers": line.tiers,
                "services": line.services,
                "amount_exact": line.amount_exact,
                "amount": money(line.amount_micros),
                "usage_digest": line.usage_digest,
            }
            for line in lines
        ],
    }


def content_hash(invoice: Invoice, lines: Iterable[InvoiceLine]) -> str:
    """Return the SHA-256 of an invoice's content in canonical JSON."""
    text = json.dumps(
        content_of(invoice, lines),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()
