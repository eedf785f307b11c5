"""A person of the demo, signed in to a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser import WAIT_MILLISECONDS, Visitor
from tests.stories.stack import Stack


class DemoVisitor(Visitor):
    """A person of the demo at a browser, with their login."""

    def __init__(self, page: Page, stack: Stack, login: dict[str, str]) -> None:
        super().__init__(page, stack.portal)
        self.login = login

    def sign_in(self) -> None:
        """Sign in with email and password."""
        self.open("/accounts/login/")
        self.page.locator("#id_login").fill(self.login["login"])
        self.page.get_by_label("Password", exact=True).fill(self.login["password"])
        self.press("Sign in")
        self.page.wait_for_url(f"{self.portal}/")


@contextmanager
def visitor(
    browser: Browser, stack: Stack, person: str | None, **options: Any
) -> Iterator[DemoVisitor]:
    """Sign a person of the demo in, in a new browser context; with None, no one signs in."""
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    who = DemoVisitor(page, stack, stack.person(person) if person else {})
    try:
        if person:
            who.sign_in()
        yield who
    except Exception as error:
        error.add_note(f"{person} at {page.url}:\n{page.locator('body').inner_text()}")
        raise
    finally:
        context.close()
