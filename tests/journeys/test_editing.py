"""An engineer edits a draft: conflicts, undo, an import, a pasted URL, and several parts together."""

import pytest
from django.urls import reverse

from tests.factories.services import (
    BackendFactory,
    HeaderFactory,
    ServiceFactory,
    live_version,
    parts,
    set_values,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_engineer_edits_a_draft_beside_someone_else(browse, eve, acme, draft):
    HeaderFactory.create(version=draft, name="tenant")
    source = live_version(ServiceFactory.create(account=acme, name="source"), "s.test")
    set_values(parts("backend", version=source), address="eu.example.com", port=8443)
    page = browse(eve)

    # Someone else changes one field that Eve changes too, and one that she does not.
    page.open(reverse("version", args=[draft.service_id, draft.number]))
    page.follow("origin")
    page.type("Address", "mine.example.com")
    set_values(parts("backend", version=draft), address="other.example.com", weight=7)
    page.press("Save draft")
    page.reads(
        "Someone else changed the same fields while you were editing",
        "Keep my change: mine.example.com",
        "Use their change: other.example.com",
    )
    assert page.faults() == []
    page.page.get_by_label("Keep my change: mine.example.com").check()
    page.press("Save draft")
    page.reads("Backend origin saved.", "mine.example.com")
    origin = parts("backend", version=draft).get()
    assert (origin.value("address"), origin.value("weight")) == ("mine.example.com", 7)

    # A change of another part does not conflict with this one.
    page.follow("origin")
    page.type("Address", "again.example.com")
    set_values(parts("header", version=draft), src='"other"')
    page.press("Save draft")
    page.reads("Backend origin saved.")

    # A removal is undone.
    page.press("Remove header rule tenant")
    page.reads("Header rule tenant removed. You can restore it below.")
    assert page.faults() == []
    page.press("Restore header rule tenant")
    page.reads("Header rule tenant restored.")
    page.misses("Removed from this draft")

    # A backend of another service is imported; its TLS and port come with it.
    page.follow("Add a backend")
    page.follow("Import a backend from another service…")
    page.follow("source")
    assert page.faults() == []
    page.page.get_by_label("Import a backend from source").get_by_role(
        "link"
    ).first.click()
    page.reads("Nothing is added until you save.")
    assert page.faults() == []
    page.type("Name", "imported")
    page.press("Save draft")
    page.reads("Backend imported saved.", "eu.example.com")

    # A pasted URL is taken apart.
    page.follow("Add a backend")
    page.type("Name", "pasted")
    page.type("Address", "https://host.example.com:8444/")
    page.press("Save draft")
    page.reads("Backend pasted saved.")
    page.follow("pasted")
    address, port = (
        page.page.get_by_label(each, exact=True) for each in ("Address", "Port")
    )
    assert [address.input_value(), port.input_value()] == ["host.example.com", "8444"]
    assert page.page.get_by_label("Enable TLS").is_checked()


def test_several_parts_are_saved_together_with_units_and_findings_in_view(
    browse, eve, draft, switched_on
):
    BackendFactory.create(version=draft, name="second", address="two.example.com")
    page = browse(eve, permissions=["clipboard-read", "clipboard-write"])

    page.open(reverse("version", args=[draft.service_id, draft.number]))
    page.follow("Edit domains and backends on one page")
    assert page.faults() == []
    addresses = page.page.get_by_label("Address", exact=True)
    addresses.nth(0).fill("first.example.com")
    addresses.nth(1).fill("two-new.example.com")
    page.press("Save draft")
    page.reads("Saved: backend origin, backend second.")

    # The advanced settings have their units and say what WebSockets does with them.
    page.follow("second")
    page.unfold("Advanced settings")
    page.reads("WebSocket connections ignore them", "milliseconds")
    page.page.get_by_label("Shield").select_option("frankfurt-de")
    page.reads("1 blocker, 1 warning", "Includes your unsaved changes.")
    assert page.faults() == []
