"""The page of an invoice and its downloads; a final one, a running bill, and one with a credit note."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db.models import F
from django.urls import reverse
from pypdf import PdfReader

from accounts.actor import Actor
from products.billing.commands.closing import (
    draft_invoice,
    finalize_invoice,
    void_invoice,
)
from products.billing.commands.corrections import correct_month
from products.billing.models import Adjustment, CreditNote, InvoiceLine
from products.billing.queries.content import content_hash
from products.instants import instant_us
from products.metering.models import ConnectionUsage, DeliveryUsage
from products.metering.queries.digests import digest
from products.months import Month
from tests.factories import NOW
from tests.factories.invoices import bill_in_euros, invoice
from tests.factories.invoices import invoice as draft
from tests.factories.usage import connection_usage, delivery_usage
from tests.products.web.conftest import queries_of, text_of

JOB = Actor.system("bill-accounts")
NOVEMBER = Month(2026, 11)
CLOSED = datetime(2026, 12, 4, 1, tzinfo=UTC)
DOWNLOADS = (
    *("pdf", "csv", "json", "connections.csv", "connections.jsonl"),
    *("bandwidth.csv", "bandwidth.jsonl"),
)


@pytest.fixture
def used(shop, enabled):
    """Usage of November: two connections, one of them with a name that is a formula."""
    shop.name = "=shop"
    shop.save()
    start = NOW + timedelta(hours=1)
    for name, minutes in (("a", 5_000), ("b", 2_345)):
        connection_usage(
            shop, start, minutes, month="2026-11", name=name, bytes_to_client=5 * 10**9
        )


@pytest.fixture
def final(acme, used):
    return finalize_invoice(JOB, account=acme, month=NOVEMBER, now=CLOSED)


def body(answer):
    content = answer.getvalue() if answer.streaming else answer.content
    return content.decode()


def download(client, key, form):
    answer = client.get(reverse("invoice_download", args=[key, form]))
    assert answer.status_code == 200
    return answer


def test_an_invoice_says_who_when_how_much_and_how_it_was_made(browser, bo, final):
    text = text_of(browser(bo).get(reverse("invoice", args=[final.number])))

    assert "Invoice INV-000001 Final November 2026, 0.00 USD to pay." in text
    assert "1 Nov 2026 00:00 to 1 Dec 2026 00:00 UTC" in text
    assert "7,345 connection minutes from 2 connections." in text
    assert "0.007345 million minutes 0.60 per million less than 0.01 USD" in text
    assert "First 10 million 7,345 0.60 0.004407" in text
    assert f"SHA-256 {final.content_hash}" in text
    assert final.lines.last().usage_digest in text


def test_the_running_bill_is_shown_as_one_that_can_change(browser, bo, used):
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        text = text_of(browser(bo).get(reverse("invoice", args=["2026-11"])))

    assert "This is not an invoice: the month has not ended." in text
    assert "connection minutes from 2 connections." in text
    assert "Credits that are left are used when the invoice becomes final." in text


@pytest.mark.parametrize("suffix", ["", "pdf/", "csv/", "json/"])
def test_a_corrected_fee_of_an_earlier_month_is_shown(
    browser, bo, acme, websockets, suffix
):
    row = draft(acme, "2026-12")
    InvoiceLine.objects.create(
        invoice=row,
        position=1,
        kind=InvoiceLine.Kind.ADJUSTMENT,
        month="2026-11",
        product=websockets,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        quantity=30,
        amount_exact="20",
        amount_micros=20_000_000,
    )

    answer = browser(bo).get(f"{reverse('invoice', args=['2026-12'])}{suffix}")

    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["invoice", "invoice_download"])
def test_a_bill_that_is_refused_is_no_change_that_failed(browser, bo, acme, used, name):
    bill_in_euros(acme)
    form = {"form": "pdf"} if name == "invoice_download" else {}

    answer = browser(bo).get(reverse(name, kwargs={"invoice_key": "2026-11"} | form))

    assert answer.status_code == 409
    text = text_of(answer)
    assert "This can't be shown Acme is billed in EUR" in text
    assert "Ask sales@tollgate.invalid" in text
    assert "not saved" not in text


@pytest.mark.parametrize("key", ["INV-000009", "2026-13", "2024-01", "x"])
def test_an_invoice_that_does_not_exist_is_not_found(browser, bo, final, key):
    assert browser(bo).get(reverse("invoice", args=[key])).status_code == 404


def test_the_invoice_of_another_account_does_not_exist(browser, stan, final):
    client = browser(stan)
    addresses = [
        reverse("invoice", args=[final.number]),
        *(reverse("invoice_download", args=[final.number, each]) for each in DOWNLOADS),
    ]

    assert {client.get(each).status_code for each in addresses} == {404}


@pytest.mark.parametrize("who", ["eve", "una"])
def test_a_role_that_sees_no_costs_is_refused(request, browser, final, who):
    client = browser(request.getfixturevalue(who))
    addresses = [
        reverse("invoice", args=[final.number]),
        *(reverse("invoice_download", args=[final.number, each]) for each in DOWNLOADS),
    ]

    assert {client.get(each).status_code for each in addresses} == {403}


def test_the_pdf_has_the_same_bytes_each_time(browser, bo, final):
    with time_machine.travel(CLOSED):
        first = download(browser(bo), final.number, "pdf")
    with time_machine.travel(CLOSED + timedelta(days=400)):
        second = download(browser(bo), final.number, "pdf")

    assert first.content == second.content
    assert first.content.startswith(b"%PDF-")
    assert first["Content-Disposition"] == 'attachment; filename="INV-000001.pdf"'


def test_the_pdf_has_the_headings_amounts_and_dates_of_the_page(browser, bo, final):
    content = download(browser(bo), final.number, "pdf").content

    text = PdfReader(io.BytesIO(content)).pages[0].extract_text()
    assert "Issued 4 Dec 2026" in text
    assert "How “WebSockets, connection time” was made" in text
    assert "USD per million" in text
    assert "First 10 million" in text
    assert str(final.due) in text


def test_the_pdf_says_if_letters_were_substituted(browser, bo, acme, final):
    draft = invoice(acme, "2026-12")
    draft.buyer = "Ωμέγα\nشركة"
    draft.save()

    content = download(browser(bo), draft.month, "pdf").content

    text = PdfReader(io.BytesIO(content)).pages[0].extract_text()
    assert "Ωμέγα\n????" in text
    assert "Letters of some scripts can't be drawn in this PDF" in text


def test_the_csv_has_a_row_per_line_with_exact_amounts(browser, bo, final):
    rows = list(
        csv.DictReader(io.StringIO(body(download(browser(bo), final.number, "csv"))))
    )

    assert [row["kind"] for row in rows] == ["usage", "informational", "usage"]
    assert rows[-1] | {} == {
        **rows[-1],
        "quantity": "7345",
        "units": "0.007345",
        "amount": "0.00",
        "amount_exact": "0.004407",
        "currency": "USD",
    }


def test_the_json_has_what_the_hash_covers(browser, bo, final):
    sent = json.loads(body(download(browser(bo), final.number, "json")))

    assert sent["content_hash"] == content_hash(final, final.lines.all())
    assert sent["content"]["number"] == "INV-000001"


def test_the_connections_of_the_lines_add_up_to_the_quantity(browser, bo, final):
    client = browser(bo)

    text = body(download(client, final.number, "connections.csv"))
    lines = body(download(client, final.number, "connections.jsonl")).splitlines()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["minutes"]) for row in rows) == 7_345
    assert [json.loads(each)["connection_id"] for each in lines] == [
        row["connection_id"] for row in rows
    ]


@pytest.fixture
def delivered(acme, shop, echo, used):
    """The invoice of November with connections and with ordinary HTTP of two services."""
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    delivery_usage(shop, hour, 3 * 10**9, bytes_from_client=7)
    delivery_usage(shop, hour, 11, instance="j")
    delivery_usage(echo, hour + timedelta(days=1), 2 * 10**9)
    delivery_usage(echo, CLOSED.replace(hour=0), 10**9)  # of December
    return finalize_invoice(JOB, account=acme, month=NOVEMBER, now=CLOSED)


def test_the_bytes_of_the_bandwidth_line_add_up_to_its_quantity(browser, bo, delivered):
    line = delivered.lines.get(kind="usage", meter="bandwidth")
    client = browser(bo)

    answer = download(client, delivered.number, "bandwidth.csv")
    lines = body(download(client, delivered.number, "bandwidth.jsonl")).splitlines()

    assert answer.streaming
    rows = list(csv.DictReader(io.StringIO(body(answer))))
    assert [row["usage"] for row in rows] == [*["connection"] * 2, *["http"] * 3]
    assert {row["line"] for row in rows} == {str(line.position)}
    moved = [
        int(row["bytes_from_client"]) + int(row["bytes_to_client"]) for row in rows
    ]
    assert sum(moved) == line.quantity == 15_000_000_018
    objects = [json.loads(each) for each in lines]
    assert rows == [
        {key: "" if row[key] is None else str(row[key]) for key in row}
        for row in objects
    ]


def test_the_digest_of_the_bandwidth_line_follows_from_its_download(
    browser, bo, delivered
):
    line = delivered.lines.get(kind="usage", meter="bandwidth")

    lines = body(download(browser(bo), delivered.number, "bandwidth.jsonl"))

    rows = [json.loads(each) for each in lines.splitlines()]
    connections = [
        f"bytes {row['connection_id']} {row['bytes_from_client']} {row['bytes_to_client']}"
        for row in rows
        if row["usage"] == "connection"
    ]
    hours = [
        f"delivery {row['edge']} {row['instance']} {instant_us(row['hour'])} "
        f"[{row['requests']}, {row['bytes_from_client']}, {row['bytes_to_client']}]"
        for row in rows
        if row["usage"] == "http"
    ]
    recomputed = digest(each.encode() for each in [*connections, *hours])
    assert recomputed == line.usage_digest


@pytest.mark.parametrize("form", DOWNLOADS[3:])
def test_the_usage_of_the_lines_has_the_same_bytes_each_time(
    browser, bo, delivered, form
):
    client = browser(bo)
    first = body(download(client, delivered.number, form))

    # PostgreSQL writes a changed row to another place.
    ConnectionUsage.objects.filter(connection_id="a").update(clock_differs=True)
    DeliveryUsage.objects.filter(instance="i").update(requests=F("requests"))

    assert body(download(client, delivered.number, form)) == first


def test_the_page_links_to_the_bytes_of_a_bandwidth_line_only(
    browser, bo, acme, delivered
):
    client = browser(bo)
    without = invoice(acme, "2026-12")
    address = reverse("invoice_download", args=[delivered.number, "bandwidth.csv"])

    page = client.get(reverse("invoice", args=[delivered.number]))
    other = client.get(reverse("invoice", args=[without.month]))

    assert f'href="{address}"' in page.content.decode()
    assert "bandwidth.csv" not in other.content.decode()


def test_a_bill_of_bandwidth_alone_links_to_no_connections(browser, bo, shop, enabled):
    delivery_usage(shop, NOW.replace(minute=0, second=0, microsecond=0), 10**9)

    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        answer = browser(bo).get(reverse("invoice", args=["2026-11"]))

    page = answer.content.decode()
    assert "bandwidth.csv" in page
    assert "connections.csv" not in page


def test_a_credit_note_is_linked_from_the_invoice_that_it_corrects(
    browser, bo, acme, shop, enabled
):
    for name in range(50):
        connection_usage(shop, NOW, 10_000, month="2026-11", name=f"c{name}")
    final = finalize_invoice(JOB, account=acme, month=NOVEMBER, now=CLOSED)
    ConnectionUsage.objects.filter(connection_id__in=["c1", "c2", "c3"]).delete()
    correct_month(JOB, account=acme, month=NOVEMBER, now=CLOSED)
    ConnectionUsage.objects.filter(connection_id__in=["c4", "c5"]).delete()
    correct_month(JOB, account=acme, month=NOVEMBER, now=CLOSED)
    note, other = CreditNote.objects.order_by("pk")
    client = browser(bo)

    text = text_of(client.get(reverse("invoice", args=[final.number])))
    credits_ = text_of(client.get(reverse("billing")))

    assert f"{note.number} " in text
    assert "−0.02 USD" in text
    assert "connection time: The usage of November 2026 was corrected." in text
    assert f"Credit note {note.number} corrects {final.number}" in credits_
    assert "corrected by CN-000001 and CN-000002" in credits_
    pdf = PdfReader(io.BytesIO(download(client, final.number, "pdf").content))
    assert f"{other.number}, " in "".join(page.extract_text() for page in pdf.pages)


def test_a_void_invoice_says_so(browser, bo, ada, final):
    void_invoice(ada, invoice=final, reason="Wrong buyer", now=CLOSED)

    text = text_of(browser(bo).get(reverse("invoice", args=[final.number])))

    assert "Void November 2026, 0.00 USD not to be paid." in text
    assert "Wrong buyer" in text
    assert "No invoice replaces it yet." in text
    assert "Issued 4 Dec 2026 Void since 4 Dec 2026" in text
    assert "To pay until it was voided 0.00 USD" in text


def test_a_void_invoice_and_the_one_that_replaces_it_name_each_other(
    browser, bo, ada, acme, final
):
    void_invoice(ada, invoice=final, reason="Wrong buyer", now=CLOSED)
    draft_invoice(JOB, account=acme, month=NOVEMBER, now=CLOSED)
    client = browser(bo)
    of_void = client.get(reverse("invoice", args=[final.number]))
    of_draft = client.get(reverse("invoice", args=["2026-11"]))
    again = finalize_invoice(JOB, account=acme, month=NOVEMBER, now=CLOSED)

    texts = [
        text_of(client.get(reverse("invoice", args=[each.number])))
        for each in (final, again)
    ]
    listed = text_of(client.get(reverse("billing")))
    pdf = PdfReader(io.BytesIO(download(client, final.number, "pdf").content))

    assert "A draft replaces it." in text_of(of_void)
    assert "It replaces invoice INV-000001, which is void." in text_of(of_draft)
    assert "Invoice INV-000002 replaces it." in texts[0]
    assert "It replaces invoice INV-000001, which is void." in texts[1]
    assert "replaced by INV-000002" in listed
    assert "replaces INV-000001" in listed
    page = pdf.pages[0].extract_text()
    assert "Invoice INV-000002 replaces it." in page
    assert "Wrong buyer" in page


def test_an_invoice_of_late_usage_says_what_it_is(browser, bo, acme, websockets, final):
    row = invoice(acme, "2026-12", kind="late_usage", currency="EUR")
    Adjustment.objects.create(
        corrects=final,
        product=websockets,
        meter="connection_time",
        quantity=10,
        amount_micros=20_000,
        found_at=CLOSED,
        billed_on=row,
    )
    row.status, row.number, row.finalized_at = "final", "INV-000009", CLOSED
    row.save()
    client = browser(bo)

    text = text_of(client.get(reverse("invoice", args=[row.number])))
    listed = text_of(client.get(reverse("billing")))
    pdf = PdfReader(io.BytesIO(download(client, row.number, "pdf").content))

    assert "Late usage, billed with December 2026, 0.00 EUR to pay." in text
    assert "only late usage of months that were invoiced in EUR" in text
    assert "December 2026 late usage in EUR INV-000009" in listed
    assert "only late usage of months" in pdf.pages[0].extract_text()


def test_an_invoice_takes_a_fixed_number_of_queries(browser, bo, final):
    address = reverse("invoice", args=[final.number])

    assert final.lines.count() == 3
    assert queries_of(browser(bo), address) <= 14
