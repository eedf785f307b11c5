"""The door's guarantees, by trying: no change without an entry, none without permission."""

import pytest
from django.db import connection

from accounts.audit.models import AuditEvent
from accounts.audit.queries import verify
from accounts.audit.vocabulary import Event
from accounts.change import NothingRecorded, record_refusal, recorded_change
from accounts.errors import Forbidden, NotFound
from accounts.models import Account
from accounts.roles import Permission
from products.services.commands import parts
from tests.architecture.attempts import ATTEMPTS, EVERYBODY, Attempt
from tests.architecture.noted import BESIDES, NOTED, PARTS
from tests.architecture.source import PRODUCT, modules
from tests.architecture.test_writes import command_steps, public
from tests.architecture.write_paths import functions_of
from tests.factories import NOW
from tests.factories.digests import digest_of_everything
from tests.factories.undone import undone
from tests.factories.world import World

TRAIL = frozenset({"audit_auditevent", "audit_chainhead", "audit_personaldata"})
# Refused to somebody who may not, it leaves an entry: the one thing written for them.
RECORDED_REFUSALS = {"products.deploy.commands.activate"}
# Whoever joins is no actor yet; tests/accounts/commands/test_invitations.py tries it.
WITHOUT_ACTOR = {"accounts.commands.invitations.accept_invitation"}


def commands_with_doors() -> set[str]:
    steps = command_steps()
    opening = {name for name, each in steps.items() if each.doors or each.refuses}
    through = {
        name
        for name, each in steps.items()
        if {target for target in each.calls if not public(target)} & opening
    }
    return {name for name in opening | through if public(name)}


def test_every_command_is_tried():
    assert set(ATTEMPTS) == commands_with_doors() - WITHOUT_ACTOR


@pytest.mark.parametrize("name", ATTEMPTS)
def test_nobody_changes_anything_without_permission(name, world):
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])
    left_out = TRAIL if name in RECORDED_REFUSALS else frozenset()
    before = digest_of_everything(without=left_out)
    passed = set()

    for person in sorted(EVERYBODY - attempt.allowed):
        try:
            attempt.call(world, world.people[person])
            passed.add(person)
        except (Forbidden, NotFound):
            pass

    assert passed == set()
    assert digest_of_everything(without=left_out) == before


@pytest.mark.parametrize("name", ATTEMPTS)
def test_whoever_has_permission_changes_it_and_is_recorded(name, world):
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])

    noted = {person: noted_by(attempt, world, person) for person in attempt.allowed}

    assert noted == {
        person: NOTED[name] + BESIDES.get((name, person), ())
        for person in attempt.allowed
    }


def noted_by(attempt: Attempt, world: World, person: str) -> tuple[str, ...]:
    """Carry an attempt out, see that its entries name the person, and take it back."""
    with undone():
        before = AuditEvent.objects.count()
        attempt.call(world, world.people[person])
        new = list(AuditEvent.objects.order_by("pk")[before:])
        assert {event.actor_id for event in new} == {world.people[person].id}
        assert all(verify(event.account_id).sound for event in new)
        return tuple(event.action for event in new)


@pytest.mark.parametrize("kind, fields, changes, expected", PARTS)
def test_each_part_of_a_version_is_recorded_from_first_to_last(
    kind, fields, changes, expected, world
):
    sam, name = world.people["superuser"], "new.example.com"
    part = {"version": world.draft, "kind": kind, "name": name, "now": NOW}
    before = AuditEvent.objects.count()

    parts.add_part(sam, **part, fields=fields)
    parts.change_part(sam, **part, changes=changes)
    parts.remove_part(sam, **part)

    new = AuditEvent.objects.order_by("pk")[before:]
    assert tuple(event.action for event in new) == expected


def rename(world: World, *, note: bool = True, price: float = 1) -> None:
    """Rename the account behind the door; a price of 0 fails after the note."""
    sam, account = world.people["superuser"], world.acme
    with recorded_change(sam, Permission.MEMBER_MANAGE, on=account, now=NOW) as trail:
        Account.objects.filter(pk=account.pk).update(name="Renamed")
        if note:
            target = ("account", account.pk, account.name)
            trail.note(Event.ACCOUNT_READ, target=target, after={"price": price})
        assert 1 / price


def test_a_change_with_its_note_is_kept(world):
    rename(world)

    assert Account.objects.get(pk=world.acme.pk).name == "Renamed"


def test_a_change_that_notes_nothing_is_rolled_back(world):
    before = digest_of_everything()

    with pytest.raises(NothingRecorded):
        rename(world, note=False)

    assert digest_of_everything() == before


def test_an_exception_takes_the_change_and_its_entry_back(world):
    before = digest_of_everything()

    with pytest.raises(ZeroDivisionError):
        rename(world, price=0)

    assert digest_of_everything() == before


def test_a_value_that_the_trail_cannot_hold_takes_the_change_back(world):
    before = digest_of_everything()

    with pytest.raises(ValueError, match="float"):
        rename(world, price=0.6)

    assert digest_of_everything() == before


def test_a_door_inside_a_door_stays_shut(world):
    sam = world.people["superuser"]
    before = digest_of_everything()

    with (
        pytest.raises(RuntimeError, match="durable"),
        recorded_change(sam, Permission.MEMBER_MANAGE, on=world.acme, now=NOW),
        recorded_change(sam, Permission.MEMBER_MANAGE, on=world.acme, now=NOW),
    ):
        pass

    assert digest_of_everything() == before


def test_a_strangers_refusal_is_not_recorded(world):
    before = digest_of_everything()

    with pytest.raises(NotFound):
        record_refusal(
            world.people["stranger"],
            Event.DEPLOYMENT_REFUSED,
            on=world.shop,
            target=("version", "1", "shop version 1"),
            reasons=["A stranger"],
            now=NOW,
        )

    assert digest_of_everything() == before


def test_the_digest_sees_a_change_of_any_table(world):
    before = digest_of_everything()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE services_header SET src = 'changed'")

    changed = {
        name
        for name, digest in digest_of_everything().items()
        if digest != before[name]
    }
    assert changed == {"services_header"}


def test_commands_are_found_by_their_doors():
    assert "products.deploy.commands.activate" in commands_with_doors()
    assert any(
        function.name == "activate"
        for module in modules(*PRODUCT)
        if module.name == "products.deploy.commands"
        for function in functions_of(module)
    )
