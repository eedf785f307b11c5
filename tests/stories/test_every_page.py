"""Every page is accessible, raises no browser error and fits a narrow screen."""

import pytest
from playwright.sync_api import Browser

from tests.stories.chromium import Visitor, visitor
from tests.stories.stack import Stack

pytestmark = pytest.mark.browser
NARROW = {"width": 320, "height": 640}
PUBLIC = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")
SHARED = (
    "/",
    "/products/",
    "/products/?show=on",
    "/products/websockets/enable/",
    "/products/websockets/trial/",
    "/products/websockets/disable/",
    "/entitlements/",
    "/services/",
    "/services/{echo}/",
    "/services/{echo}/delete/",
    "/services/{echo}/compare/?from=1&to=1",
    "/services/{echo}/versions/1/",
    "/services/{echo}/versions/1/why/",
    "/services/{shop}/versions/1/activate/",
    "/domains/",
    "/usage/",
    "/members/",
    "/account/",
    "/account/security/",
    "/profile/",
    "/notices/",
    "/notices/settings/",
    "/help/",
    "/help/notices/",
    "/api-tokens/",
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
    "/admin/accounts/membership/",
    "/admin/accounts/outgoingmail/",
    "/admin/accounts/user/",
    "/admin/catalogue/priceversion/",
    "/admin/domains/domainclaim/",
    "/admin/enablement/enablement/",
    "/admin/enablement/productrequest/",
    "/admin/metering/edge/",
    "/admin/billing/invoice/",
)


def addresses(stack: Stack, paths: tuple[str, ...]) -> list[str]:
    """Return paths with the demo's ids in them."""
    ids = {name: stack.service(name) for name in ("echo", "shop")}
    return [path.format(**ids) for path in paths]


def faults(who: Visitor, path: str) -> list[object]:
    """Return what axe and the browser report, and whether a narrow screen is too narrow."""
    who.open(path)
    found: list[object] = [*who.violations(), *who.complaints]
    who.complaints.clear()
    who.page.set_viewport_size(NARROW)
    width = who.page.evaluate("document.documentElement.scrollWidth")
    who.page.set_viewport_size({"width": 1280, "height": 800})
    return found if width <= NARROW["width"] else [*found, f"{width} pixels wide"]


def faulty(who: Visitor, paths: list[str]) -> dict[str, list[object]]:
    found = {path: faults(who, path) for path in paths}
    return {path: wrong for path, wrong in found.items() if wrong}


def test_pages_before_signing_in(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, None) as anonymous:
        assert faulty(anonymous, list(PUBLIC)) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_as_a_superuser(stack: Stack, browser: Browser, scheme: str) -> None:
    with visitor(browser, stack, "superuser", color_scheme=scheme) as sam:
        sam.open("/api-tokens/new/")
        assert "/reauthenticate/" not in sam.page.url
        assert faulty(sam, addresses(stack, SHARED + SUPERUSERS)) == {}


def test_every_page_as_a_user(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, "user") as una:
        assert faulty(una, addresses(stack, SHARED)) == {}


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
        assert ada.complaints == []
        assert ada.violations() == []
        ada.complaints.clear()  # axe can't read what a style sheet of Django's imports
        ada.open(account)
        ada.follow("Assign a contract…")
        assert ada.complaints == []
        assert faulty(ada, [*ADMINS, account]) == {}


def test_a_superuser_signs_in_and_reaches_the_agreement_with_the_keyboard(
    stack: Stack, browser: Browser
) -> None:
    with visitor(browser, stack, None) as sam:
        sam.login = stack.person("superuser")
        sam.open("/accounts/login/?next=/products/websockets/enable/")
        sam.page.locator("#id_login").focus()
        sam.page.keyboard.type(sam.login["login"])
        assert tab_to(sam, "Password")
        sam.page.keyboard.type(sam.login["password"])
        sam.page.keyboard.press("Enter")
        # The address of the sign-in page ends with this path too.
        sam.page.get_by_text("I understand that enabling WebSockets").wait_for()

        assert tab_to(sam, "I understand that enabling WebSockets")
        sam.page.keyboard.press("Space")

        assert sam.page.get_by_role("checkbox").is_checked()
        assert tab_to(sam, "Enable WebSockets")


def tab_to(who: Visitor, name: str) -> bool:
    """Press Tab until the element with that name has the focus."""
    for _ in range(60):
        who.page.keyboard.press("Tab")
        words = who.page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).innerText"
        )
        if (words or "").strip().startswith(name):
            return True
    return False


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
