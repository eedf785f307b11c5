"""Final invoices, credits and the credit ledger are not changed, on a migrated database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from products.billing.models import Credit, CreditEntry, Invoice, InvoiceLine
from tests.factories import NOW
from tests.factories.digests import digest_of_everything

NUMBER = "INV-000001"
INSERTED = """INSERT {} INTO billing_invoiceline (id, invoice_id, position, kind, month, product_id,
 meter, starts_at, ends_at, quantity, connections, tier_start, tiers, services, amount_exact,
 amount_micros, usage_digest)
 SELECT {}, invoice_id, {}, kind, month, product_id, meter, starts_at, ends_at, quantity,
 connections, tier_start, tiers, services, amount_exact, 0, usage_digest FROM billing_invoiceline"""
ATTACKS = {
    "the amount of a final invoice": "UPDATE billing_invoice SET subtotal_micros = 0,"
    " due_micros = 0, credits_micros = 0 WHERE status = 'final'",
    "a final invoice is a draft again": "UPDATE billing_invoice SET status = 'draft',"
    " number = NULL, finalized_at = NULL",
    "a number is changed as it is voided": "UPDATE billing_invoice SET number = 'x',"
    " status = 'void', voided_at = finalized_at WHERE status = 'final'",
    "a final invoice is deleted": "DELETE FROM billing_invoice",
    "a line is changed": "UPDATE billing_invoiceline SET amount_micros = 0",
    "a line is deleted": "DELETE FROM billing_invoiceline",
    "a line is added": INSERTED.format("", 99, 99),
    "a credit is changed": "UPDATE billing_credit SET amount_micros = 1",
    "a credit is deleted": "DELETE FROM billing_credit",
    "an entry of the credit ledger is changed": "UPDATE billing_creditentry SET amount_micros = 1",
    "an entry of the credit ledger is deleted": "DELETE FROM billing_creditentry",
} | {
    "sqlite": {"a line is replaced": INSERTED.format("OR REPLACE", "id", "position")},
    "postgresql": {
        "the lines are truncated": "SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE billing_invoiceline",
        "a line is changed as a replica": "SET LOCAL session_replication_role = replica;"
        " UPDATE billing_invoiceline SET amount_micros = 0",
    },
}[connection.vendor]


@pytest.fixture
def invoice(acme, websockets):
    """A final invoice with one line, and a credit with its entry."""
    draft = Invoice.objects.create(
        account=acme,
        month="2026-10",
        starts_at=datetime(2026, 10, 1, tzinfo=UTC),
        ends_at=datetime(2026, 11, 1, tzinfo=UTC),
        zone="UTC",
        currency="USD",
        drafted_at=NOW,
        counted_at=NOW,
        subtotal_micros=6_000_000,
        due_micros=6_000_000,
    )
    InvoiceLine.objects.create(
        invoice=draft,
        position=1,
        kind="usage",
        month="2026-10",
        product=websockets,
        meter="connection_time",
        starts_at=draft.starts_at,
        ends_at=draft.ends_at,
        quantity=10_000_000,
        amount_exact="6.00",
        amount_micros=6_000_000,
    )
    credit = Credit.objects.create(
        account=acme,
        source="grant",
        currency="USD",
        amount_micros=5,
        reason="Sorry",
        granted_at=NOW,
        granted_by="Ada",
    )
    CreditEntry.objects.create(
        credit=credit, account=acme, kind="granted", amount_micros=5, at=NOW
    )
    draft.status, draft.number, draft.finalized_at = "final", NUMBER, NOW
    draft.save()
    return draft


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(invoice, attack):
    before = digest_of_everything()

    with (
        pytest.raises(IntegrityError, match=r"(invoices|credits): "),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attack)

    assert digest_of_everything() == before


def test_a_final_invoice_can_be_voided_once_and_its_month_invoiced_again(invoice):
    invoice.status, invoice.voided_at = "void", NOW
    invoice.save()
    again = Invoice.objects.get(pk=invoice.pk)
    again.pk, again.status, again.number = None, "draft", None
    again.finalized_at = again.voided_at = None
    again.save(force_insert=True)

    invoice.voided_at = NOW + timedelta(days=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        invoice.save()

    assert Invoice.objects.filter(month="2026-10").count() == 2


def test_a_month_has_one_invoice(invoice):
    invoice.pk, invoice.status, invoice.number = None, "draft", None
    invoice.finalized_at = None

    with pytest.raises(IntegrityError), transaction.atomic():
        invoice.save(force_insert=True)
