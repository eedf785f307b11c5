"""A superuser requires a second factor; an engineer without one adds it and goes back to work."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, expect

from tests.browser import Visitor
from tests.stories.chromium import visitor
from tests.stories.stack import Stack

pytestmark = pytest.mark.browser


def test_an_engineer_adds_the_required_factor_and_goes_on(
    own_stack: Stack, browser: Browser
) -> None:
    # Without WebSockets, its page shows no figures that the browser asks for again.
    work = f"/services/{own_stack.service('shop')}/"
    with visitor(browser, own_stack, "engineer") as eve:
        eve.open(work)

        with visitor(browser, own_stack, "superuser") as sam:
            sam.open("/account/security/")
            sam.reads("5 of 5 members have no second factor")
            sam.follow("add a second factor to your own login")
            set_up_app(sam)
            sam.open("/account/security/")
            sam.page.get_by_label("Every member must have a second factor").check()
            assert sam.faults() == []
            sam.press("Save security policy")
            sam.reads("Saved the security policy.")
            sam.reads("Required for all members.")
            assert sam.complaints == []

        eve.page.reload()
        eve.reads("Acme requires a second factor.")
        set_up_app(eve)
        eve.reads("Store the recovery codes, then go on.")
        assert eve.faults() == []
        eve.follow("Go back to where you were")
        expect(eve.page).to_have_url(f"{own_stack.portal}{work}")
        assert eve.complaints == []


def set_up_app(person: Visitor) -> None:
    """Set up an authenticator app, from the page on which second factors are listed."""
    person.follow("Set up an authenticator app…")
    secret = re.search(r"\b[A-Z2-7]{32}\b", person.page.locator("main").inner_text())
    assert secret is not None
    code = format_hotp_value(hotp_value(secret[0], int(time.time()) // 30))
    person.page.locator("#id_code").fill(str(code))
    person.press("Set up the authenticator app")
    person.page.wait_for_url("**/recovery-codes/")
