"""Changing roles and removing members; an account keeps a superuser (R20, R22)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

from accounts.commands.members import (
    LastSuperuser,
    change_role,
    remove_member,
)
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import Account, ApiToken, Membership
from accounts.policy import decide
from accounts.roles import Permission, Role
from accounts.service_access import levels_of
from products.services.models import Service
from tests.factories.accounts import (
    AccountFactory,
    MembershipFactory,
    actor_for,
    member,
)


def test_a_new_role_takes_effect_on_the_next_check(
    acme, sam, eve, membership, now, last_body
):
    change_role(sam, membership=membership(eve), role="billing", now=now)

    assert membership(eve).role == "billing"
    assert decide(eve, Permission.SERVICE_CONFIGURE, acme).allowed is False
    assert decide(eve, Permission.BILLING_READ, acme).allowed is True
    body = last_body(acme)
    assert (body["action"], body["target"]["label"]) == ("member.role_changed", "Eve")
    assert (body["before"], body["after"]) == (
        {"role": "engineer"},
        {"role": "billing"},
    )


def test_the_same_role_is_no_change(acme, sam, eve, membership, now, noted):
    change_role(sam, membership=membership(eve), role="engineer", now=now)

    assert noted(acme) == []


def test_an_unknown_role_is_refused(acme, sam, eve, membership, now, noted):
    with pytest.raises(Invalid) as refusal:
        change_role(sam, membership=membership(eve), role="owner", now=now)

    assert refusal.value.field == "role"
    assert membership(eve).role == "engineer"
    assert noted(acme) == []


def test_the_only_superuser_keeps_the_role(acme, sam, membership, now, noted):
    with pytest.raises(LastSuperuser):
        change_role(sam, membership=membership(sam), role="user", now=now)
    with pytest.raises(LastSuperuser):
        remove_member(sam, membership=membership(sam), now=now)

    assert membership(sam).role == "superuser"
    assert noted(acme) == []


def test_a_superuser_can_give_up_the_role_if_there_is_another(
    acme, sam, membership, now, noted
):
    member(acme, "Grace", Role.SUPERUSER)

    change_role(sam, membership=membership(sam), role="user", now=now)

    assert membership(sam).role == "user"
    assert noted(acme) == ["member.role_changed"]


def test_a_disabled_superuser_does_not_count(acme, sam, membership, now):
    grace = member(acme, "Grace", Role.SUPERUSER)
    grace.is_active = False
    grace.save(update_fields=["is_active"])

    with pytest.raises(LastSuperuser):
        change_role(sam, membership=membership(sam), role="user", now=now)


def give_up_role(user, account, start, now):
    """Give up the user's own role, and return the outcome.

    The tests' SQLite database in shared memory reports "locked" immediately; a file would wait.
    """
    actor = actor_for(user, account)
    own = Membership.objects.get(user=user)
    start.wait(10)
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            try:
                change_role(actor, membership=own, role="user", now=now)
            except OperationalError:
                continue
            else:
                return "changed"
    except Conflict as refusal:
        return refusal.code
    finally:
        connection.close()
    return "timed out"


@pytest.mark.django_db(transaction=True)
def test_of_two_superusers_who_give_up_the_role_at_the_same_time_one_remains(now):
    account = AccountFactory.create(name="Acme")
    sam, grace = (member(account, name, Role.SUPERUSER) for name in ("Sam", "Grace"))
    start = threading.Barrier(2)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(give_up_role, sam, account, start, now)
        second = pool.submit(give_up_role, grace, account, start, now)

    assert sorted([first.result(), second.result()]) == ["changed", "last_superuser"]
    assert Membership.objects.filter(role="superuser").count() == 1


def test_a_removed_member_loses_levels_and_tokens_of_this_account_only(
    acme, globex, sam, lin, membership, now, noted
):
    user = membership(lin).user
    MembershipFactory.create(account=globex, user=user)
    for number, account in enumerate((acme, globex)):
        ApiToken.objects.create(
            user=user,
            account=account,
            name="ci",
            scope="global",
            digest=f"{number:064}",
            created_at=now,
        )

    remove_member(sam, membership=membership(lin), now=now)

    assert list(Membership.objects.filter(user=user).values_list("account_id")) == [
        (globex.pk,)
    ]
    assert levels_of(user.pk) == {}
    assert ApiToken.objects.get(account=acme).revoked_at == now
    assert ApiToken.objects.get(account=globex).revoked_at is None
    assert noted(acme) == ["token.revoked", "member.removed"]
    assert Account.objects.count() == 2
    assert Service.objects.count() == 1


def test_a_removed_member_cannot_be_removed_again(
    acme, sam, eve, membership, now, noted
):
    removed = membership(eve)
    remove_member(sam, membership=membership(eve), now=now)

    with pytest.raises(NotFound):
        remove_member(sam, membership=removed, now=now)

    assert noted(acme) == ["member.removed"]
