"""The main journey: WebSockets is enabled, switched on and deployed, it echoes, and all is recorded."""

import json

import pytest
from playwright.sync_api import Browser, expect

from tests.stories.chromium import visitor
from tests.stories.stack import GENEROUS_SECONDS, Stack, within

pytestmark = pytest.mark.browser
HOST = "echo.localhost"
RECORDED = (
    "enabled WebSockets",
    "WebSockets was added to the bill",
    "switched WebSockets on for echo",
    "activated version 2 of echo",
    "tried to activate version 1 of echo",
)


def test_websockets_is_enabled_switched_on_deployed_and_echoes(
    stack: Stack, browser: Browser
) -> None:
    # Off by default (R2): the edge refuses with a sentence and never upgrades (R12).
    assert stack.refusal(HOST) == (403, "WebSockets is not enabled for this account.\n")
    the_user_and_the_limited_engineer_read_why_not(stack, browser)

    the_superuser_enables_it(stack, browser)

    # Enabled for the account, and still off for the service (R4).
    switched_off = (403, "WebSockets is not switched on for this service.\n")
    within(
        GENEROUS_SECONDS,
        "the edge knows that the account has it",
        lambda: stack.refusal(HOST) == switched_off,
    )

    the_engineer_switches_it_on_and_deploys(stack, browser)

    # A socket echoes, and the origin sees what version 2 adds (R1, R11).
    within(GENEROUS_SECONDS, "the edge lets it in", lambda: stack.refusal(HOST) is None)
    with stack.socket(HOST) as socket:
        socket.send("Grüße")
        assert socket.recv(timeout=10) == "Grüße"
    within(GENEROUS_SECONDS, "the edge has version 2", lambda: header(stack) == "seen")

    the_limited_engineer_cannot_where_it_shields(stack, browser)
    # An attempt without the permission is recorded as a refusal.
    echo = stack.service("echo")
    assert stack.api("PUT", f"/api/service/{echo}/version/1/activate", "user")[0] == 403

    the_admin_finds_all_of_it(stack, browser)


def the_user_and_the_limited_engineer_read_why_not(
    stack: Stack, browser: Browser
) -> None:
    echo = stack.service("echo")
    with visitor(browser, stack, "user") as una:
        una.open("/products/")
        una.reads("Superusers can enable it: Sam Osei.")
        una.open("/products/websockets/enable/")
        una.reads("Your role is user.")
        una.open(f"/services/{echo}/versions/1/why/")
        una.reads("Your role is user. Engineers and superusers can")
        una.open(f"/services/{echo}/")
        assert una.page.get_by_role("button", name="Switch WebSockets on").count() == 0
    with visitor(browser, stack, "limited_engineer") as lin:
        lin.open(f"/services/{echo}/versions/1/activate/")
        lin.reads("You can't activate this version")
        lin.reads("You don't have access to this service")


def the_superuser_enables_it(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, "superuser") as sam:
        sam.follow("Products")
        sam.follow("Enable WebSockets…")
        assert "/reauthenticate/" not in sam.page.url
        sam.reads(
            "I understand that enabling WebSockets changes the monthly bill of Acme"
        )
        sam.page.get_by_label("Reason").fill("For the chat")
        sam.page.get_by_role("checkbox").check()
        sam.press("Enable WebSockets")
        heading = sam.page.get_by_role("heading", level=1)
        # Signing in counts as a re-authentication, so no password is asked again.
        expect(heading).to_have_text("WebSockets is enabled")
        assert sam.complaints == []


def the_engineer_switches_it_on_and_deploys(stack: Stack, browser: Browser) -> None:
    with visitor(browser, stack, "engineer") as eve:
        eve.open(f"/services/{stack.service('echo')}/")
        eve.press("Switch WebSockets on")
        eve.reads("On for this service")
        eve.press("Clone version 1 to edit")
        eve.follow("Add a header")
        eve.page.locator("#id_name").fill("story")
        eve.page.locator("#id_type").select_option("request")
        eve.page.locator("#id_action").select_option("set")
        eve.page.locator("#id_dst").fill("http.X-Story")
        eve.page.locator("#id_src").fill("seen")
        eve.press("Save draft")
        eve.follow("Review and activate…")
        eve.press("Activate version 2")
        eve.reads("Activated version 2 of echo.")
        assert eve.complaints == []


def the_limited_engineer_cannot_where_it_shields(
    stack: Stack, browser: Browser
) -> None:
    with visitor(browser, stack, "limited_engineer") as lin:
        lin.open(f"/services/{stack.service('shop')}/")
        lin.press("Switch WebSockets on")
        lin.reads("shield")
        lin.reads("Off for this service")
    assert stack.refusal("shop.localhost") is not None


def the_admin_finds_all_of_it(stack: Stack, browser: Browser) -> None:
    account = stack.person("superuser")["account"]
    with visitor(browser, stack, "admin") as ada:
        ada.open(f"/admin/audit/auditevent/?account={account}")
        shown = ada.page.locator("#content").inner_text()
        assert [words for words in RECORDED if words not in shown] == []
        assert ada.complaints == []


def header(stack: Stack) -> str:
    """Return the header that version 2 adds, as the origin saw it in a handshake."""
    with stack.socket(HOST) as socket:
        socket.send("headers")
        seen = dict(json.loads(socket.recv(timeout=10))["headers"])
    return str(seen.get("X-Story", ""))
