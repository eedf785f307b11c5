"""A change of an account's routes moves its `routes_revision`, which the edges' poll compares."""

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.models import Account
from accounts.policy import PLATFORM
from accounts.roles import Permission
from products.deploy.routes import routes_of
from tests.architecture.attempts import ATTEMPTS
from tests.factories import NOW
from tests.factories.world import World

TRIED = [name for name, attempt in ATTEMPTS.items() if attempt.allowed]


def revisions() -> dict[str, int]:
    return dict(Account.objects.values_list("pk", "routes_revision"))


def note(world: World, *events: Event) -> None:
    """Note events on Acme, as its superuser."""
    sam, account = world.people["superuser"], world.acme
    with recorded_change(sam, Permission.MEMBER_MANAGE, on=account, now=NOW) as trail:
        for event in events:
            trail.note(event, target=("account", account.pk, account.name))


@pytest.mark.parametrize("name", TRIED)
def test_a_command_that_changes_routes_moves_the_accounts_revision(name, world):
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])
    before = revisions()
    accounts = list(before)
    routes = routes_of(accounts, NOW)

    attempt.call(world, world.people[min(attempt.allowed)])

    after, derived = revisions(), routes_of(accounts, NOW)
    changed = {key for key in accounts if routes.get(key) != derived.get(key)}
    assert changed <= {key for key in accounts if after[key] > before[key]}


def test_an_event_that_affects_routes_moves_the_revision_of_its_account_by_one(world):
    before = revisions()

    note(world, Event.VERSION_ACTIVATED, Event.SERVICE_DELETED)

    assert revisions() == before | {world.acme.pk: before[world.acme.pk] + 1}


def test_other_events_move_no_revision(world):
    before = revisions()

    note(world, Event.MEMBER_ROLE_CHANGED, Event.PRODUCT_REQUESTED)

    assert revisions() == before


def test_the_revision_stays_if_the_change_is_rolled_back(world):
    before = revisions()

    with pytest.raises(ValueError, match="float"):
        note_float(world)

    assert revisions() == before


def note_float(world: World) -> None:
    sam = world.people["superuser"]
    with recorded_change(
        sam, Permission.MEMBER_MANAGE, on=world.acme, now=NOW
    ) as trail:
        trail.note(
            Event.VERSION_ACTIVATED, target=("version", "1", "1"), after={"x": 0.5}
        )


@pytest.mark.parametrize("name", TRIED)
def test_no_event_of_the_platforms_chain_affects_routes(name, world):
    """The platform's chain belongs to no account, so such an event would move none."""
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])

    attempt.call(world, world.people[min(attempt.allowed)])

    noted = AuditEvent.objects.filter(account_id=PLATFORM.account_id)
    actions = set(noted.values_list("action", flat=True))
    assert [event for event in Event if event.affects_routes and event in actions] == []
