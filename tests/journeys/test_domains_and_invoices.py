"""An engineer proves that a domain is the account's, and billing finds, reads and saves invoices."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from accounts.actor import Actor
from products.billing.commands.closing import finalize_invoice
from products.months import Month
from tests.factories import NOW
from tests.factories.domains import claimed
from tests.factories.invoices import invoice
from tests.factories.usage import connection_usage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_domain_is_claimed_verified_found_and_released(browse, eve, acme, dns):
    page = browse(eve, permissions=["clipboard-read", "clipboard-write"])
    page.open("/domains/")
    page.reads("No domains yet")
    assert page.faults() == []
    page.type("Domain", "not a domain")
    page.press("Claim domain")
    page.reads("The domain was not claimed")
    assert page.faults() == []
    page.type("Domain", "acme.com")
    page.page.keyboard.press("Enter")
    page.titled("acme.com")
    page.reads("Pending", "Set this TXT record at your DNS provider.")
    page.press("Copy name of the record")
    name = page.page.evaluate("navigator.clipboard.readText()")
    page.press("Copy value of the record")
    value = page.page.evaluate("navigator.clipboard.readText()")

    # Home leads here until it is verified.
    page.open("/")
    page.follow("Verify acme.com")
    page.press("Verify now")
    page.reads("Not verified", "A new record can take some minutes to arrive.")
    expect(page.page.get_by_role("alert")).to_be_focused()
    assert page.faults() == []
    dns.records[name] = [value]
    page.press("Verify now")
    page.reads("Verified", "In active versions")
    assert page.faults() == []

    for number in range(55):
        claimed(acme, f"d{number:02}.example")
    page.open("/domains/")
    page.reads("acme.com", "d48.example")
    page.misses("d49.example")
    page.follow("Next domains")
    page.reads("d54.example")
    search = page.page.get_by_role("search", name="Search domains")
    search.get_by_label("Search").fill("nothing")
    search.get_by_label("Search").press("Enter")
    page.reads("No claim matches")
    search.get_by_label("Search").fill("acme")
    search.get_by_label("Search").press("Enter")
    page.reads("Domains found: 1")
    page.page.get_by_role("main").get_by_role("link", name="acme.com").click()
    page.follow("Release claim…")
    page.titled("Release acme.com?")
    assert page.faults() == []
    page.press("Release acme.com")
    page.reads("Released acme.com.")
    page.open("/domains/?q=acme")
    page.reads("No claim matches")


def test_an_invoice_is_found_read_and_saved(browse, bo, acme, shop, enabled):
    start = NOW + timedelta(hours=1)
    connection_usage(shop, start, 7_345, month="2026-11", name="a")
    for index in range(13):
        label = str(Month(2025, 1).plus(index))
        invoice(acme, label, f"INV-9{index:05}")
    month = Month(2026, 11)
    final = finalize_invoice(
        Actor.system("bill-accounts"),
        account=acme,
        month=month,
        now=month.ends_at("UTC") + timedelta(days=4),
    )
    page = browse(bo)

    page.open("/billing/")
    page.reads(final.number, "INV-900002")
    page.misses("INV-900001")
    page.follow("Older invoices")
    page.reads("INV-900001", "INV-900000")
    page.misses(final.number)
    page.follow("Newer invoices")
    search = page.page.get_by_role("search", name="Search invoices")
    search.get_by_label("Search").fill("nothing")
    search.get_by_label("Search").press("Enter")
    page.reads("No invoice matches")
    assert page.faults() == []
    search.get_by_label("Search").fill("2026-11")
    search.get_by_label("Search").press("Enter")
    page.reads("Invoices found: 1")

    page.page.get_by_role("main").get_by_role("link", name="November 2026").click()
    page.titled(f"Invoice {final.number}")
    page.reads(
        "7,345 connection minutes from 1 connection.",
        "Each connection is rounded up to whole minutes",
        "Content hash: SHA-256",
    )
    assert page.faults() == []
    for name in ("PDF", "CSV", "JSON", "JSON Lines"):
        with page.page.expect_download() as saved:
            page.page.get_by_role("link", name=name, exact=True).first.click()
        assert final.number in saved.value.suggested_filename
    page.page.emulate_media(media="print")
    expect(page.page.get_by_role("link", name="PDF")).to_be_hidden()
    expect(page.page.get_by_role("heading", name="Lines")).to_be_visible()
