"""Shared by the tests of accounts: memberships by actor, and the trail."""

import pytest

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.models import Account, Membership
from tests.day import day_of_tests  # noqa: F401 - a fixture

DAY = "2026-11-22 12:00:00"


@pytest.fixture
def membership():
    """Return a function that finds an actor's membership in its account."""

    def find(actor: Actor) -> Membership:
        return Membership.objects.select_related("user", "account").get(
            user_id=actor.user_id, account_id=actor.account_id
        )

    return find


@pytest.fixture
def noted():
    """Return a function that lists an account's actions, the oldest first."""

    def actions(account: Account) -> list[str]:
        events = AuditEvent.objects.filter(account_id=account.pk).order_by("sequence")
        return list(events.values_list("action", flat=True))

    return actions


@pytest.fixture
def last_body():
    """Return a function that reads the newest entry of an account's trail."""

    def read(account: Account):
        return AuditEvent.objects.filter(account_id=account.pk).latest("sequence").body

    return read


@pytest.fixture
def trail_bodies():
    """Return a function that lists an account's entries as action, before and after."""

    def read(account: Account) -> list[tuple[str, object, object]]:
        events = AuditEvent.objects.filter(account_id=account.pk).order_by("sequence")
        return [
            (each.action, each.body["before"], each.body["after"]) for each in events
        ]

    return read
