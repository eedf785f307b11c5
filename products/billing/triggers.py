"""The triggers that keep final invoices, their lines and the credit ledger as they are."""

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.triggers import GuardRule, guard, unequal

# What is fixed once an invoice is final; the rest says whether and why it was voided.
_FIXED = (
    *("id", "account_id", "month", "starts_at", "ends_at", "zone", "currency"),
    *("number", "seller", "buyer", "tax_note", "payment_terms_days", "drafted_at"),
    *("counted_at", "complete_to", "subtotal_micros", "credits_micros", "due_micros"),
    *("finalized_at", "finalized_by", "due_on", "override_reason", "content_hash"),
    *("kind", "replaces_id"),
)
_ADJUSTMENT = (
    *("id", "corrects_id", "product_id", "meter", "quantity", "amount_micros"),
    "found_at",
)
_IS_FINAL = """EXISTS (
  SELECT 1 FROM billing_invoice AS invoice
  WHERE invoice.id = {}.invoice_id AND invoice.status IN ('final', 'void'))"""
_IS_BILLED = """EXISTS (
  SELECT 1 FROM billing_invoice AS invoice
  WHERE invoice.id = OLD.billed_on_id AND invoice.status = 'final')"""
_LINES = "invoices: the lines of a final invoice are not changed"
GUARDED: Final = (
    guard(
        "billing_invoice",
        GuardRule(
            "invoices: a final invoice is not changed",
            update=f"OLD.status = 'void' OR (OLD.status = 'final'"
            f" AND (NEW.status <> 'void' OR {unequal(_FIXED)}))",
            delete="OLD.status IN ('final', 'void')",
            insert="NEW.status IN ('final', 'void')",
        ),
    ),
    guard(
        "billing_invoiceline",
        GuardRule(
            _LINES,
            update=f"{_IS_FINAL.format('OLD')} OR {_IS_FINAL.format('NEW')}",
            delete=_IS_FINAL.format("OLD"),
            insert=_IS_FINAL.format("NEW"),
        ),
    ),
    guard(
        "billing_adjustment",
        GuardRule(
            "invoices: an adjustment is not changed",
            update=f"{_IS_BILLED} OR {unequal(_ADJUSTMENT)}",
        ),
    ),
    guard("billing_credit", GuardRule("credits: a credit is not changed")),
    guard(
        "billing_creditentry", GuardRule("credits: the credit ledger is only added to")
    ),
    guard("billing_creditnote", GuardRule("credits: a credit note is not changed")),
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Install the triggers of all guarded tables."""
    for each in GUARDED:
        each.install(connection)
