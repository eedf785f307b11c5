"""Every command is run: no change without an entry, and no change without a permission."""

from collections.abc import Iterator
from contextlib import contextmanager

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
from tests.architecture.attempts import ATTEMPTS, PERSONS, Attempt
from tests.architecture.noted import ALSO_NOTED, NAMES, NOTED, PARTS
from tests.factories import NOW
from tests.factories.digests import digest_of_everything
from tests.factories.rolled_back import rolled_back
from tests.factories.world import World

TRAIL = frozenset(
    {"audit_auditevent", "audit_chainhead", "audit_personaldata", "audit_searchterm"}
)
# A refused attempt leaves an entry, and changes nothing else.
RECORDED_REFUSALS = {"products.deploy.commands.activate"}
# The log of attempts: a result is known only after the message was sent.
LOG_OF_RESULTS = 'UPDATE "webhooks_delivery"'


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_person_without_permission_changes_nothing(name, world):
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])
    left_out = TRAIL if name in RECORDED_REFUSALS else frozenset()
    before = digest_of_everything(without=left_out)

    for person in sorted(PERSONS - attempt.allowed):
        with pytest.raises((Forbidden, NotFound)):
            attempt.call(world, world.people[person])

    assert digest_of_everything(without=left_out) == before


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_person_with_permission_changes_it_and_is_recorded(name, world):
    attempt = ATTEMPTS[name]
    attempt.given(world, world.people["superuser"])

    noted = {person: noted_by(attempt, world, person) for person in attempt.allowed}

    assert noted == {
        person: NOTED[name] + ALSO_NOTED.get((name, person), ())
        for person in attempt.allowed
    }


def noted_by(attempt: Attempt, world: World, person: str) -> tuple[str, ...]:
    """Carry out an attempt, check its writes and entries, and roll it back."""
    with rolled_back():
        before = AuditEvent.objects.count()
        with writes_outside_transactions() as outside:
            attempt.call(world, world.people[person])
        assert outside == []
        new = list(AuditEvent.objects.order_by("pk")[before:])
        assert {event.actor_id for event in new} == {world.people[person].id}
        assert all(verify(event.account_id).is_valid for event in new)
        return tuple(event.action for event in new)


@contextmanager
def writes_outside_transactions() -> Iterator[list[str]]:
    """Collect the writes that the block makes in no transaction of its own.

    In a command that is the transaction of `recorded_change`: lint allows no other.
    """
    depth = len(connection.savepoint_ids)
    found: list[str] = []

    def watch(execute, sql, params, many, context):
        is_write = sql.startswith(
            ("INSERT", "UPDATE", "DELETE")
        ) and not sql.startswith(LOG_OF_RESULTS)
        if is_write and len(connection.savepoint_ids) == depth:
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield found


def test_a_write_outside_a_transaction_is_found(world):
    with writes_outside_transactions() as found:
        Account.objects.filter(pk=world.acme.pk).update(name="Renamed")
        rename(world)

    assert len(found) == 1


@pytest.mark.parametrize("kind, fields, changes, expected", PARTS)
def test_adding_changing_and_removing_a_part_is_recorded(
    kind, fields, changes, expected, world
):
    sam, name = world.people["superuser"], NAMES.get(kind, "new.example.com")
    part = {"version": world.draft, "kind": kind, "now": NOW}
    before = AuditEvent.objects.count()

    row = parts.add_part(sam, **part, name=name, fields=fields)
    row = parts.change_part(sam, **part, name=row.key, changes=changes)
    parts.remove_part(sam, **part, name=row.key)

    new = AuditEvent.objects.order_by("pk")[before:]
    assert tuple(event.action for event in new) == expected


def rename(world: World, *, note: bool = True, price: float = 1) -> None:
    """Rename the account; a price of 0 fails after the entry was noted."""
    sam, account = world.people["superuser"], world.acme
    with recorded_change(sam, Permission.MEMBER_MANAGE, on=account, now=NOW) as trail:
        Account.objects.filter(pk=account.pk).update(name="Renamed")
        if note:
            target = ("account", account.pk, account.name)
            trail.note(Event.ACCOUNT_READ, target=target, after={"price": price})
        assert 1 / price


def test_a_change_with_an_entry_is_kept(world):
    rename(world)

    assert Account.objects.get(pk=world.acme.pk).name == "Renamed"


@pytest.mark.parametrize(
    "how, error",
    [
        ({"note": False}, NothingRecorded),
        ({"price": 0}, ZeroDivisionError),
        # The trail has no floating-point numbers.
        ({"price": 0.6}, ValueError),
    ],
    ids=["without an entry", "with an exception", "with a value that is refused"],
)
def test_a_change_is_rolled_back(how, error, world):
    before = digest_of_everything()

    with pytest.raises(error):
        rename(world, **how)

    assert digest_of_everything() == before


def test_recorded_change_does_not_nest(world):
    sam = world.people["superuser"]
    before = digest_of_everything()

    with (
        pytest.raises(RuntimeError, match="durable"),
        recorded_change(sam, Permission.MEMBER_MANAGE, on=world.acme, now=NOW),
        recorded_change(sam, Permission.MEMBER_MANAGE, on=world.acme, now=NOW),
    ):
        pass

    assert digest_of_everything() == before


def test_the_refusal_of_a_non_member_is_not_recorded(world):
    before = digest_of_everything()

    with pytest.raises(NotFound):
        record_refusal(
            world.people["non_member"],
            Event.DEPLOYMENT_REFUSED,
            on=world.shop,
            target=("version", "1", "shop version 1"),
            reasons=["Not a member"],
            now=NOW,
        )

    assert digest_of_everything() == before


def test_the_digest_shows_a_change_of_any_table(world):
    before = digest_of_everything()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE services_part SET public_id = 'changed'")

    after = digest_of_everything()
    changed = {name for name, digest in after.items() if digest != before[name]}
    assert changed == {"services_part"}
