"""Shared by the tests of the admin: a browser signed in as staff, and a short trail."""

from datetime import timedelta

import pytest

from accounts.actor import ActorType, Interface
from accounts.audit.record import EntrySource
from tests.accounts.audit.writing import BILLED, ENABLED, NOON, write
from tests.factories.accounts import UserFactory


@pytest.fixture
def ada(client, db):
    """The browser of Ada, one of the staff who is a Django superuser too."""
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def trail(db):
    """Acme enabled a product and was billed; an hour later Globex enabled one by token."""
    eve = EntrySource(ActorType.TOKEN, "token-eve", "Eve", Interface.API, "request-two")
    write("acme", ENABLED, BILLED)
    write("globex", ENABLED, source=eve, at=NOON + timedelta(hours=1))
