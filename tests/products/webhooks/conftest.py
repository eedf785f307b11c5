"""Fixtures for tests of webhooks: a receiver on loopback, and Acme's webhook to it."""

from ipaddress import ip_network

import pytest

from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.roles import Permission
from tests.factories import NOW
from tests.factories.webhooks import WebhookFactory
from tests.products.webhooks.receiver import receiving


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.PRIVATE_ORIGINS = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def receiver():
    with receiving() as server:
        yield server


@pytest.fixture
def webhook(acme, receiver):
    """Return Acme's webhook for all events."""
    return WebhookFactory.create(account=acme, url=receiver.url)


@pytest.fixture
def note(sam, acme):
    """Return a function that notes events in Acme's trail."""

    def write(*events: Event) -> None:
        for event in events:
            with recorded_change(
                sam, Permission.ACCOUNT_READ, on=acme, now=NOW
            ) as trail:
                trail.note(event, target=("version", "S/1", "1"), after={"ok": True})

    return write
