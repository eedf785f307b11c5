"""Contracts, credits and invoices in the admin: forms of staff that start from the account."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import User
from products.billing.commands import (
    draft_invoice,
    finalize_invoice,
    void_invoice,
)
from products.billing.commands.sweeps import close_due_months
from products.billing.models import Adjustment, Contract, Credit, Invoice
from products.billing.queries.credits import balance
from products.catalogue.money import Money
from products.instants import microseconds_of
from products.metering.models import ConnectionUsage, Edge, UsageVoid
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.usage import connection_usage, reporting_edge
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER
from tests.products.web.conftest import text_of

JOB = Actor.system("bill-accounts")
CONTRACT = {
    "from_month": "2999-01",
    "currency": "EUR",
    "billing_zone": "Europe/Berlin",
    "payment_terms_days": "14",
    "buyer": "Acme Ltd\nSpringfield",
    "tax_note": "",
    "reason": "Signed.",
}


@pytest.fixture
def draft(acme, enabled):
    return draft_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)


def test_a_bill_and_late_usage_are_named_as_what_they_are():
    running = Invoice(month="2026-12", status="open")
    final = Invoice(number="T-000666", status="final", currency="USD")
    late = Adjustment(corrects=final, quantity=-123_456, amount_micros=12_345_678)

    assert str(running) == "running bill of 2026-12"
    assert str(Invoice(month="2026-11", status="draft")) == "draft of 2026-11"
    assert str(late) == "12.345678 USD of late usage for T-000666"


@pytest.fixture
def final(acme, draft):
    return finalize_invoice(
        JOB, account=acme, month=OCTOBER, now=CLOSED, override_reason="Now."
    )


def test_staff_assign_a_contract(staff, acme):
    page = reverse("admin:billing_contract_assign", args=[acme.pk])
    offered = staff.get(page).context["form"].initial

    answer = staff.post(page, CONTRACT)

    contract = Contract.objects.get(account=acme)
    assert (offered["currency"], offered["billing_zone"]) == ("USD", "UTC")
    assert answer.url == reverse("admin:accounts_account_change", args=[acme.pk])
    assert (contract.from_month, contract.currency, contract.assigned_by) == (
        "2999-01",
        "EUR",
        "Ada (Tollgate staff)",
    )
    assert noted(acme.pk) == [
        "account.read",
        "contract.assigned",
        "billing_zone.changed",
    ]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"from_month": "2999-13"}, "Enter a month such as 2026-12."),
        ({"from_month": "May 2999"}, "Enter a month such as 2026-12."),
        ({"from_month": "2020-01"}, "Choose the running month or a later one."),
        ({"currency": "XXX"}, "Enter a currency of ISO 4217"),
        ({"currency": "€"}, "Enter a currency of ISO 4217"),
        ({"billing_zone": "Mars"}, "Enter a time zone"),
        ({"reason": " "}, "This field is required."),
    ],
)
def test_an_impossible_contract_is_refused_at_its_field(staff, acme, typed, problem):
    page = reverse("admin:billing_contract_assign", args=[acme.pk])

    answer = staff.post(page, CONTRACT | typed)

    assert answer.status_code == 400
    assert problem in answer.content.decode()
    assert not Contract.objects.exists()


def test_staff_grant_a_credit(staff, acme):
    page = reverse("admin:billing_credit_grant", args=[acme.pk])

    answer = staff.post(
        page,
        {"amount": "12.50", "currency": "usd", "expires_on": "", "reason": "Outage."},
    )

    assert answer.url == reverse("admin:accounts_account_change", args=[acme.pk])
    assert balance(acme.pk, "USD") == Money.of("12.50", "USD")
    assert "12.50 USD" in text_of(staff.get(answer.url))
    assert noted(acme.pk)[0] == "credit.granted"


@pytest.mark.parametrize("amount", ["0", "-1", "much", "NaN"])
def test_an_impossible_credit_is_refused(staff, acme, amount):
    page = reverse("admin:billing_credit_grant", args=[acme.pk])

    answer = staff.post(page, {"amount": amount, "currency": "USD", "reason": "A."})

    assert answer.status_code == 400
    assert not Credit.objects.exists()


def test_staff_make_an_incomplete_invoice_final_with_a_reason(staff, acme, draft):
    page = reverse("admin:billing_invoice_finalize", args=[draft.pk])
    refused = staff.post(page, {"override_reason": ""})
    staff.post(page, {"override_reason": "The edge is gone."})

    invoice = Invoice.objects.get(account=acme)
    assert refused.status_code == 400
    assert (invoice.status, invoice.override_reason) == ("final", "The edge is gone.")
    assert invoice.finalized_by == "Ada (Tollgate staff)"


@pytest.mark.parametrize(
    ("now", "words", "is_again"),
    [
        (CLOSED, "October 2026 is invoiced again automatically", True),
        (datetime(2026, 12, 31, tzinfo=UTC), "it final with a new number", True),
        (
            datetime(2027, 1, 1, tzinfo=UTC),
            "is not invoiced again automatically",
            False,
        ),
    ],
)
def test_the_page_says_before_a_void_whether_the_month_is_invoiced_again(
    client, ada, final, now, words, is_again
):
    with time_machine.travel(now, tick=False):
        client.force_login(User.objects.get(pk=ada.user_id))
        page = client.get(reverse("admin:billing_invoice_void", args=[final.pk]))

    void_invoice(ada, invoice=final, reason="Wrong buyer.", now=now)
    close_due_months(now)

    assert words in text_of(page)
    again = Invoice.objects.filter(month="2026-10", status="draft")
    assert again.exists() == is_again


def test_staff_void_an_invoice_with_a_reason_once(staff, acme, final):
    page = reverse("admin:billing_invoice_void", args=[final.pk])
    refused = staff.post(page, {"reason": ""})
    staff.post(page, {"reason": "Wrong buyer."})
    again = staff.post(page, {"reason": "Again."})

    invoice = Invoice.objects.get(account=acme)
    assert (refused.status_code, again.status_code) == (400, 400)
    assert (invoice.status, invoice.void_reason) == ("void", "Wrong buyer.")
    assert "Only a final invoice can be voided." in again.content.decode()


def test_an_invoice_shows_money_and_quantities_in_units(staff, acme, echo, enabled):
    connection_usage(echo, started_at=MID_OCTOBER, minutes=90)
    invoice = draft_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)

    page = text_of(
        staff.get(reverse("admin:billing_invoice_change", args=[invoice.pk]))
    )

    assert "90 minutes" in page
    assert "micros" not in page.lower()
    assert "Make final now…" in page


def test_staff_read_every_list(staff, final):
    names = (
        *("contract", "invoice", "adjustment", "credit", "creditentry"),
        *("creditnote", "budget", "budgetalert", "numberseries"),
    )

    answers = [staff.get(reverse(f"admin:billing_{name}_changelist")) for name in names]

    assert {answer.status_code for answer in answers} == {200}
    assert all("micros" not in answer.content.decode() for answer in answers)


def test_staff_review_what_a_void_affects_and_then_void_it(staff, acme, shop, final):
    reporting_edge(CLOSED)
    connection_usage(shop, MID_OCTOBER, 7, bytes_to_client=1000, month="2026-11")
    moment = timezone.now() - timedelta(minutes=5)
    ConnectionUsage.objects.update(
        started_us=microseconds_of(moment), month=f"{moment:%Y-%m}"
    )
    page = reverse("admin:billing_void_usage")
    typed = {
        "edge": "edge-1",
        "starts_at": f"{moment - timedelta(minutes=1):%Y-%m-%d %H:%M:%S}",
        "ends_at": f"{moment + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}",
        "reason": "Its credential was stolen.",
    }

    shown = staff.post(page, typed)
    seen = shown.context["review"].seen
    refused = staff.post(page, typed | {"confirmed": "of another review"})
    done = staff.post(page, typed | {"confirmed": seen})

    assert "1 connection with 7 minutes" in text_of(shown)
    assert str(acme) in text_of(shown)
    assert refused.context["changed"]
    assert done.status_code == 303
    assert UsageVoid.objects.get().reason == "Its credential was stolen."
    assert not ConnectionUsage.objects.exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("EDGE-0", "Enter the name in full: edge-00, edge-01 or edge-02."),
        ("edge-00x", "Enter the name of an edge. No edge matches."),
        ("edge-00", ""),
    ],
)
def test_the_edge_of_a_void_is_typed_and_not_chosen_among_all(
    staff, db, typed, sentence
):
    for number in range(3):
        Edge.objects.create(name=f"edge-0{number}", digest=str(number), created_at=NOW)
    page = reverse("admin:billing_void_usage")

    shown = staff.get(f"{page}?edge=edge-00").content.decode()
    answer = staff.post(page, {"edge": typed})

    assert 'value="edge-00"' in shown
    assert "edge-01" not in shown
    assert answer.context["form"].errors.get("edge", [""]) == [sentence]


def test_a_void_names_the_field_that_is_wrong(staff, db):
    reporting_edge(CLOSED)

    answer = staff.post(
        reverse("admin:billing_void_usage"),
        {
            "edge": "edge-1",
            "starts_at": "2026-11-01 00:00:00",
            "ends_at": "2026-10-01 00:00:00",
            "reason": "Mistyped.",
        },
    )

    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["ends_at"]
    assert not UsageVoid.objects.exists()
