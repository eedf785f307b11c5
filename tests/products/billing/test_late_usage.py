"""Late usage of a month that was invoiced in an earlier currency has an invoice of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.actor import Actor
from accounts.errors import Invalid
from products.billing.commands.closing import (
    bill_late_usage,
    finalize_invoice,
    void_invoice,
)
from products.billing.commands.contracts import ContractTerms, assign_contract
from products.billing.commands.corrections import correct_month
from products.billing.commands.credits import grant_credit
from products.billing.commands.sweeps import close_due_months
from products.billing.models import Adjustment, Contract, CreditNote, Invoice
from products.billing.queries.credits import balance
from products.billing.queries.invoices import InvoiceCheck, invoice_check
from products.catalogue.commands import add_plan
from products.catalogue.models import Product
from products.catalogue.money import Money
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.metering.models import ConnectionUsage
from products.months import Month
from tests.factories.trail import noted
from tests.factories.usage import many_minutes
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER

JOB = Actor.system("bill-accounts")
NOVEMBER = Month(2026, 11)
NOVEMBER_1 = datetime(2026, 11, 1, tzinfo=UTC)
NOVEMBER_10 = datetime(2026, 11, 10, tzinfo=UTC)
DECEMBER_4 = datetime(2026, 12, 4, tzinfo=UTC)


@pytest.fixture
def euros(ada, acme, enabled):
    """Acme is billed in EUR from November on, at prices of its own."""
    for slug, meter in (("websockets", "connection_time"), ("delivery", "bandwidth")):
        plan = add_plan(
            ada,
            product=Product.objects.get(pk=slug),
            kind="direct",
            name="Contract",
            account=acme,
            now=MID_OCTOBER,
        )
        price = NewPrice("EUR", meter, (PriceTier(None, 500_000_000),))
        change_price(
            ada, plan=plan, price=price, effective_from=NOVEMBER_1, now=MID_OCTOBER
        )
    assign_contract(
        ada,
        account=acme,
        terms=ContractTerms(currency="EUR"),
        from_month=NOVEMBER,
        reason="Signed",
        now=MID_OCTOBER,
    )


@pytest.fixture
def late(acme, shop, euros):
    """October was invoiced in USD; 1,000,000 minutes of it, for 0.60 USD, arrived later."""
    finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)
    many_minutes(shop, 1_000_000, "late")
    correct_month(JOB, account=acme, month=OCTOBER, now=NOVEMBER_10)
    return Adjustment.objects.get()


def invoices(**conditions):
    rows = Invoice.objects.filter(number__isnull=False, **conditions).order_by("pk")
    return [(row.month, row.kind, row.currency, str(row.due)) for row in rows]


def test_the_close_makes_an_invoice_of_late_usage_beside_that_of_the_month(acme, late):
    close_due_months(DECEMBER_4 - timedelta(days=2))  # drafts
    before = invoices(kind="late_usage")
    close_due_months(DECEMBER_4)
    close_due_months(DECEMBER_4 + timedelta(hours=1))

    assert before == []
    assert invoices(month="2026-11") == [
        ("2026-11", "month", "EUR", "0.00 EUR"),
        ("2026-11", "late_usage", "USD", "0.60 USD"),
    ]
    invoice = Invoice.objects.get(kind="late_usage")
    [line] = invoice.lines.all()
    assert (line.kind, line.month, line.quantity) == (
        "adjustment",
        "2026-10",
        1_000_000,
    )
    assert invoice.number == "INV-000003"
    assert invoice_check(invoice, DECEMBER_4) == InvoiceCheck()
    late.refresh_from_db()
    assert late.billed_on == invoice
    assert noted(acme.pk).count("invoice.finalized") == 3


def test_the_command_makes_the_invoice_and_checks_it(acme, late, capsys):
    call_command("close_month", "2026-11", finalize=True, now="2026-12-04T00:00:00Z")
    call_command("check_invoice", "INV-000002")

    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        (
            "1/1 Acme: final invoice INV-000002 of late usage, 0.60 USD, due 0.60 USD; "
            "final invoice INV-000003, 0.00 EUR, due 0.00 EUR"
        ),
        "INV-000002: all 1 lines match their usage records.",
    ]


def test_check_invoice_compares_late_usage_with_its_rows(acme, late):
    [invoice] = bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4)
    late.pk = None
    late.billed_on = invoice
    late.save()

    assert invoice_check(invoice, DECEMBER_4).differences == (
        "The late usage that it bills is not that of its lines.",
    )


def test_it_is_made_again_if_it_was_voided_and_names_the_voided_one(ada, acme, late):
    [first] = bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4)
    void_invoice(ada, invoice=first, reason="Wrong buyer", now=DECEMBER_4)

    [again] = bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4)

    first.refresh_from_db()
    assert (again.replaces, first.replacement) == (first, again)
    assert again.due == Money.of("0.60", "USD")
    assert bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4) == []


def test_a_correction_downwards_is_a_credit_note_in_that_currency(acme, shop, late):
    ConnectionUsage.objects.all().delete()
    many_minutes(shop, 500_000, "right")
    correct_month(JOB, account=acme, month=OCTOBER, now=NOVEMBER_10)
    left = balance(acme.pk, "USD")

    [invoice] = bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4)

    assert (CreditNote.objects.get().number, left) == (
        "CN-000001",
        Money.of("0.30", "USD"),
    )
    assert (str(invoice.credits), str(invoice.due)) == ("0.30 USD", "0.30 USD")


def test_nothing_is_made_before_the_days_of_grace_are_over(acme, late):
    early = DECEMBER_4 - timedelta(days=1)

    assert bill_late_usage(JOB, account=acme, month=NOVEMBER, now=early) == []


def test_a_credit_in_the_earlier_currency_is_granted_while_it_can_be_used(
    ada, acme, late
):
    def grant(currency, now):
        amount = Money.of("0.10", currency)
        grant_credit(ada, account=acme, amount=amount, reason="Sorry", now=now)

    grant("EUR", NOVEMBER_10)
    grant("USD", NOVEMBER_10)
    bill_late_usage(JOB, account=acme, month=NOVEMBER, now=DECEMBER_4)
    with pytest.raises(Invalid) as refused:
        grant("USD", DECEMBER_4)

    assert refused.value.field == "currency"
    assert refused.value.message == "The account has nothing to bill in USD. Enter EUR."
    assert noted(acme.pk).count("credit.granted") == 2


def test_staff_see_credits_and_enter_a_contract_in_the_currency_of_the_prices(
    ada, acme, staff, euros
):
    Contract.objects.all().delete()
    amount = Money.of("5", "EUR")
    grant_credit(ada, account=acme, amount=amount, reason="Sorry", now=NOVEMBER_10)

    page = staff.get(reverse("admin:accounts_account_change", args=[acme.pk]))
    form = staff.get(reverse("admin:billing_contract_assign", args=[acme.pk]))

    assert str(page.context["billing"].credit) == "5.00 EUR"
    assert form.context["form"].initial["currency"] == "EUR"
