"""Pages in unusual states: errors with a way back, forced colours, and paper."""

import pytest
from playwright.sync_api import expect

from products.web import services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_each_error_says_what_happened_and_leads_back(
    browse, sam, echo, settings, monkeypatch
):
    page = browse(sam)
    missing = page.page.goto(f"{page.portal}/services/nowhere/")
    page.titled("Page not found")
    assert missing is not None
    page.reads(missing.headers["x-request-id"])
    page.open(f"/services/{echo.pk}/websockets/on/")
    page.titled("This page can't be opened directly")
    assert page.faults() == []
    page.follow("Back to Home")
    page.titled("Acme")

    with monkeypatch.context() as patch:
        patch.setattr(services, "versions_of", lambda row: 1 / 0)
        failed = page.page.goto(f"{page.portal}/services/{echo.pk}/")
    page.reads(str(failed.headers["x-request-id"]), "UTC")
    assert [failed.status, *page.faults()] == [500]

    settings.ACCOUNT_RATE_LIMITS = {"reset_password": "1/m/ip"}
    anonymous = browse(None)
    for _ in range(2):
        anonymous.open("/accounts/password/reset/")
        anonymous.type("Email", "a@example.com")
        anonymous.press("Send")
    anonymous.titled("Too many attempts")
    anonymous.reads("Try again in 60 seconds.")
    assert anonymous.faults() == []


def test_forced_colours_mark_the_current_page_and_paper_has_no_buttons(
    browse, sam, switched_on
):
    page = browse(sam)
    page.open("/products/")
    page.page.emulate_media(forced_colors="active")
    # The browser applies the colours a little later.
    page.page.wait_for_function(
        """() => {
            const border = (link) => getComputedStyle(document.querySelector(link)).borderBottomColor;
            return border("#menu a[aria-current=page]") !== border("#menu a:not([aria-current])");
        }"""
    )
    state = page.page.locator(".state.on").first
    drawn = "element => getComputedStyle(element, '::before').backgroundColor"
    assert state.evaluate(drawn) == "rgb(0, 0, 0)"
    page.page.emulate_media(forced_colors="none")

    page.page.emulate_media(media="print")
    buttons = page.page.locator(":is(button, .button):visible")
    expect(buttons).to_have_count(0)
    expect(page.page.locator("#menu")).to_be_hidden()
    expect(page.page.get_by_role("heading", name="WebSockets")).to_be_visible()
    page.open(f"/services/{switched_on.pk}/")
    expect(page.page.get_by_role("heading", name="Versions")).to_be_visible()
    expect(buttons).to_have_count(0)
