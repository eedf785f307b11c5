"""What people choose for themselves and their account, and what they are notified of."""

import pytest
from playwright.sync_api import expect

from accounts.commands.members import change_role
from accounts.commands.notices import make_notices

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_person_chooses_name_dates_time_zone_and_theme(browse, sam, enabled):
    page = browse(sam)
    page.open("/profile/")
    page.type("Name", "Sam Osei")
    page.press("Save name")
    page.reads("Saved your name.")
    page.page.get_by_label("2026-11-03").check()
    page.press("Save format of dates")
    page.reads("Saved your format of dates.")
    page.press("Save theme")
    expect(page.page.get_by_label("Dark")).to_be_visible()
    page.page.get_by_label("Dark").check()
    page.press("Save theme")
    expect(page.page.locator("html")).to_have_attribute("data-theme", "dark")
    page.press("Keyboard shortcuts")
    page.page.get_by_label("Use keyboard shortcuts in this browser").uncheck()
    page.page.keyboard.press("Escape")
    assert page.faults() == []

    page.open("/services/")
    page.page.keyboard.press("?")
    expect(page.page.locator("#shortcuts")).to_be_hidden()
    page.open("/billing/agreements/")
    page.reads("2026-11-22", "Sam")


def test_a_superuser_names_the_account_and_chooses_its_defaults(
    browse, sam, eve, acme, websockets
):
    page = browse(sam)
    page.open("/account/")
    page.reads("Time zone", "Currency", "Close the account")
    page.type("Name", "Acme Radio")
    page.press("Save name")
    page.reads("Acme Radio")
    page.type("Time zone", "Europe/Berlin")
    page.press("Save time zone")
    page.reads("read times in Europe/Berlin")
    page.page.get_by_role("group").get_by_label("Deployments").first.uncheck()
    page.press("Save notices")
    assert page.faults() == []

    for_eve = browse(eve)
    for_eve.open("/account/")
    for_eve.reads("Acme Radio", "Europe/Berlin")
    expect(for_eve.page.get_by_role("button", name="Save name")).to_have_count(0)


def test_a_change_is_a_notice_and_its_email_is_a_choice_except_for_security(
    browse, sam, eve, acme, membership, now
):
    change_role(sam, membership=membership(eve), role="user", now=now)
    make_notices(now=now)
    page = browse(eve)
    page.open("/")
    page.follow("Notices")
    page.reads("Sam changed Eve's role from engineer to user")
    assert page.faults() == []
    page.follow("Email settings")
    page.reads("Always sent, for your security:")
    page.page.get_by_label("Products enabled").select_option("off")
    page.press("Save email settings")
    page.reads("Saved")
    expect(page.page.get_by_label("Products enabled")).to_have_value("off")
    expect(page.page.get_by_label("Sign-ins")).to_have_count(0)


def test_a_passkey_is_added_and_asked_for_and_then_required_of_everyone(
    browse, sam, eve
):
    page = browse(sam)
    with_authenticator(page)
    page.open("/account/")
    page.follow("Change security policy…")
    page.reads("2 of 2 members have no second factor")
    page.follow("add a second factor to your own login")
    page.follow("Add a passkey…")
    assert page.faults() == []
    page.type("Name", "My laptop")
    page.press("Add the passkey")
    page.reads("recovery codes")
    assert page.faults() == []

    page.open("/account/security/")
    page.page.get_by_label("Every member must have a second factor").check()
    page.press("Save security policy")
    page.reads("Required for all members.")
    assert page.faults() == []

    for_eve = browse(eve)
    with_authenticator(for_eve)
    for_eve.open("/services/")
    for_eve.reads("Acme requires a second factor.")
    assert for_eve.faults() == []
    for_eve.follow("Add a passkey…")
    for_eve.type("Name", "My phone")
    for_eve.press("Add the passkey")
    for_eve.reads("Store the recovery codes, then go on.")
    for_eve.follow("Go back to where you were")
    for_eve.titled("Services")

    # The next sign-in asks for the passkey.
    for_eve.page.context.clear_cookies()
    for_eve.open("/accounts/login/")
    for_eve.type("Email", "eve@example.com")
    for_eve.type("Password", "correct horse battery staple")
    for_eve.press("Sign in")
    for_eve.reads("Recovery code")
    for_eve.misses("authenticator app")
    assert for_eve.faults() == []
    for_eve.press("Use your passkey")
    for_eve.page.wait_for_url(f"{for_eve.portal}/")


def with_authenticator(page):
    """Give a browser a passkey store that confirms everything, as a laptop's would."""
    session = page.page.context.new_cdp_session(page.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
