"""Every page is accessible, raises no browser error and fits a narrow screen."""

import pytest
from playwright.sync_api import Browser

from tests.browser import Visitor
from tests.stories.chromium import visitor
from tests.stories.stack import Stack

pytestmark = pytest.mark.browser
# Menus hide what is below them.
UNFOLD = """
    document.querySelectorAll("details:not(.switcher)").forEach(each => { each.open = true; });
"""
PUBLIC = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
# A user sees other things here than a superuser. Of refusals, one is enough.
BY_ROLE = (
    "/",
    "/products/",
    "/products/websockets/enable/",
    "/entitlements/",
    "/services/",
    "/services/{echo}/",
    "/services/{echo}/versions/1/",
    "/services/{echo}/versions/1/why/",
    "/services/{shop}/versions/1/activate/",
    "/domains/",
    "/usage/",
    "/members/",
    "/account/",
    "/api-tokens/",
)
OF_ALL = (
    "/products/?show=on",
    "/products/websockets/trial/",
    "/products/websockets/disable/",
    "/services/{echo}/delete/",
    "/services/{echo}/compare/?from=1&to=1",
    "/account/security/",
    "/profile/",
    "/notices/",
    "/notices/settings/",
    "/help/",
    "/help/notices/",
    "/api-tokens/new/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/email/",
    "/accounts/logout/",
    "/no/such/page/",
)
SUPERUSERS = (
    "/members/invite/",
    "/billing/",
    "/billing/budget/",
    "/webhooks/",
    "/webhooks/new/",
    "/activity/",
    "/activity/1/",
    "/activity/?action=nothing",
)
ADMINS = (
    "/admin/",
    "/admin/audit/auditevent/?q=osei",
    "/admin/accounts/account/",
    "/admin/accounts/apitoken/",
    "/admin/accounts/membership/",
    "/admin/accounts/outgoingmail/",
    "/admin/accounts/user/",
    "/admin/catalogue/priceversion/",
    "/admin/domains/domainclaim/",
    "/admin/enablement/enablement/",
    "/admin/enablement/productrequest/",
    "/admin/metering/edge/",
    "/admin/billing/invoice/",
    "/admin/webhooks/delivery/",
    "/admin/webhooks/webhook/",
)


def addresses(stack: Stack, paths: tuple[str, ...]) -> list[str]:
    """Return paths with the demo's ids in them."""
    ids = {name: stack.service(name) for name in ("echo", "shop")}
    return [path.format(**ids) for path in paths]


def all_faults(who: Visitor, path: str) -> list[object]:
    """Return what axe and the browser report of a page on which everything is unfolded."""
    who.open(path)
    who.page.evaluate(UNFOLD)
    return who.faults()


def faulty(who: Visitor, paths: list[str]) -> dict[str, list[object]]:
    found = {path: all_faults(who, path) for path in paths}
    return {path: wrong for path, wrong in found.items() if wrong}


def test_pages_before_signing_in(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, None) as anonymous:
        assert faulty(anonymous, list(PUBLIC)) == {}


def test_every_page_as_a_superuser(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, "superuser") as sam:
        sam.open("/api-tokens/new/")
        assert "/reauthenticate/" not in sam.page.url
        assert faulty(sam, addresses(stack, BY_ROLE + OF_ALL + SUPERUSERS)) == {}


def test_every_page_as_a_user(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, "user") as una:
        assert faulty(una, addresses(stack, BY_ROLE)) == {}


def test_the_admins_pages_are_accessible_and_fit_a_narrow_screen(
    stack: Stack, browser: Browser
) -> None:
    with visitor(browser, stack, "admin") as ada:
        ada.open("/admin/accounts/account/?q=acme")
        ada.follow("Acme")
        account = ada.page.url.removeprefix(stack.portal)
        ada.follow("engineer")
        ada.open(f"{ada.page.url.removeprefix(stack.portal)}?service=echo")
        ada.reads("version 1 of echo")
        assert ada.faults() == []
        ada.open(account)
        ada.follow("Assign a contract…")
        assert ada.complaints == []
        assert faulty(ada, [*ADMINS, account]) == {}


def test_without_javascript_a_superuser_enables_and_disables(
    stack: Stack, browser: Browser
) -> None:
    with visitor(browser, stack, "superuser", java_script_enabled=False) as sam:
        sam.open("/products/websockets/enable/")
        assert "/reauthenticate/" not in sam.page.url
        # Another story may have enabled it in the shared stack.
        if sam.page.get_by_text("WebSockets is already enabled").count():
            disable(sam)
            sam.open("/products/websockets/enable/")
        sam.page.get_by_role("checkbox").check()
        sam.press("Enable WebSockets")
        sam.reads("WebSockets is enabled")

        disable(sam)


def disable(who: Visitor) -> None:
    who.open("/products/websockets/disable/")
    who.press("Disable WebSockets")
    who.open("/products/")
    who.reads("Enable WebSockets…")
