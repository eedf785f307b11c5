"""One browser for all journeys of a pytest worker, and people who are signed in to it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser

from accounts.actor import Actor
from accounts.models import User
from tests.accounts.conftest import membership
from tests.browser import WAIT_MILLISECONDS, WIDE, Visitor, chromium
from tests.factories.sessions import confirm
from tests.products.conftest import _nothing_remembered, draft, echo, ngwaf, websockets
from tests.products.web.conftest import enabled, switched_on

__all__ = [
    "_nothing_remembered",
    "draft",
    "echo",
    "enabled",
    "membership",
    "ngwaf",
    "switched_on",
    "websockets",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start the browser once."""
    with pytest.MonkeyPatch.context() as patch, chromium() as browser:
        # Playwright keeps a loop in this thread, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield browser


@pytest.fixture
def browse(browser: Browser, live_server: Any) -> Iterator[Callable[..., Visitor]]:
    """Return a function that opens a browser for an actor, authenticated `confirmed` seconds ago.

    For None no one is signed in. A test whose browsers complain fails. `faults()` is for states of
    pages that tests/stories/test_every_page.py does not reach: axe takes as long as a whole step.
    """
    visitors = []

    def opened(actor: Actor | None, *, confirmed: float = 0, **options: Any) -> Visitor:
        context = browser.new_context(
            base_url=live_server.url, **{"viewport": WIDE} | options
        )
        context.set_default_timeout(WAIT_MILLISECONDS)
        if actor is not None:
            context.add_cookies(
                [
                    {
                        "name": settings.SESSION_COOKIE_NAME,
                        "value": _session(actor, confirmed),
                        "domain": "localhost",
                        "path": "/",
                    }
                ]
            )
        visitors.append(Visitor(context.new_page(), live_server.url))
        return visitors[-1]

    yield opened
    for visitor in visitors:
        visitor.page.context.close()
    assert [visitor.complaints for visitor in visitors if visitor.complaints] == []


def _session(actor: Actor, confirmed: float) -> str:
    client = Client()
    client.force_login(
        User.objects.get(pk=actor.user_id), settings.AUTHENTICATION_BACKENDS[0]
    )
    confirm(client, actor.user_id, time.time() - confirmed)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
