"""A real browser, a person signed in to it, and the errors that it logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.ci_rules import program
from tests.stories.stack import Stack

SWITCHES = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TEST_HOSTS = "--host-resolver-rules=MAP *.test 127.0.0.1"
WAIT_MILLISECONDS = 20_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, and stop it at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("browser"), args=[*SWITCHES.split(), TEST_HOSTS]
        )
        yield browser
        browser.close()


# htmx logs these if a person follows a link while the editor's findings are loading.
LEFT_IN_FLIGHT = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass(slots=True)
class Visitor:
    """A person at a browser: their page, their login and what the browser complained about."""

    page: Page
    stack: Stack
    login: dict[str, str]
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page of the portal."""
        self.page.goto(f"{self.stack.portal}{path}")

    def sign_in(self) -> None:
        """Sign in with email and password."""
        self.open("/accounts/login/")
        self.page.locator("#id_login").fill(self.login["login"])
        self.page.get_by_label("Password", exact=True).fill(self.login["password"])
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(f"{self.stack.portal}/")

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).click()

    def follow(self, name: str) -> None:
        """Follow a link."""
        self.page.get_by_role("link", name=name).first.click()

    def reads(self, words: str) -> None:
        """Wait until the page has some words."""
        self.page.get_by_text(words).first.wait_for()

    def violations(self) -> list[tuple[str, str]]:
        """Return what axe finds on the page: each rule and its first element."""
        found = Axe().run(self.page).response["violations"]
        return [(each["id"], each["nodes"][0]["html"]) for each in found]


@contextmanager
def visitor(
    browser: Browser, stack: Stack, person: str | None, **options: Any
) -> Iterator[Visitor]:
    """Sign a person of the demo in, in a new browser context; with None, no one signs in.

    Keeps the warnings and errors that the browser logs.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    who = Visitor(page, stack, stack.person(person) if person else {})
    page.on("console", lambda said: _complaint(who, said.type, said.text))
    page.on("pageerror", lambda error: who.complaints.append(str(error)))
    try:
        if person:
            who.sign_in()
        yield who
    except Exception as error:
        error.add_note(f"{person} at {page.url}:\n{page.locator('body').inner_text()}")
        raise
    finally:
        context.close()


def _complaint(who: Visitor, kind: str, words: str) -> None:
    if words.startswith(LEFT_IN_FLIGHT):
        return
    # The browser logs every response with a status of 4xx, also an expected one.
    if (
        kind in {"error", "warning"}
        and "the server responded with a status of 4" not in words
    ):
        who.complaints.append(words)
