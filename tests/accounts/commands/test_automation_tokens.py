"""Automation tokens: of an account, with a role of their own, also when their creator leaves."""

from datetime import timedelta

import pytest

from accounts.actor import Context, Interface
from accounts.authentication import find_token, token_actor
from accounts.commands.members import remove_member
from accounts.commands.tokens import issue_automation_token, revoke_token
from accounts.errors import Forbidden, Invalid
from accounts.models import ApiToken
from accounts.policy import load_access
from accounts.roles import AUTOMATION_ROLES, Permission, Role
from tests.factories.accounts import actor_for, member

YEAR = timedelta(days=365)


@pytest.fixture
def issue(now):
    def make(actor, **changed):
        fields = {
            "name": "deploy",
            "role": "engineer",
            "scope": "global",
            "services": [],
            "expires_at": now + YEAR,
            "now": now,
        }
        return issue_automation_token(actor, **(fields | changed))

    return make


def acting(issued):
    return token_actor(issued.token, Context(interface=Interface.API))


def test_it_belongs_to_the_account_and_is_in_the_trail_with_its_role(
    acme, sam, issue, now, last_body
):
    issued = issue(sam)

    found = find_token(issued.secret, now)
    assert (found.user, found.account, found.role) == (None, acme, "engineer")
    body = last_body(acme)
    assert body["action"] == "token.issued"
    assert body["after"]["role"] == "engineer"
    assert issued.secret not in str(body)


@pytest.mark.parametrize("role", AUTOMATION_ROLES)
def test_it_can_do_what_its_role_can(acme, sam, issue, role):
    access = load_access(acting(issue(sam, role=role)), acme.pk)

    assert access.role is role
    assert access.decide(Permission.SERVICE_CONFIGURE, "x").allowed == (
        role is Role.ENGINEER
    )
    assert not access.decide(Permission.PRODUCT_ENABLE).allowed


def test_its_rights_are_read_from_its_row_for_each_request(acme, sam, issue):
    actor = acting(issue(sam))

    ApiToken.objects.update(role="user")

    assert not load_access(actor, acme.pk).decide(Permission.SERVICE_CREATE).allowed
    ApiToken.objects.update(revoked_at="2026-11-22T12:00:00Z")
    assert not load_access(actor, acme.pk).is_member


def test_it_is_no_member_of_another_account(globex, sam, issue):
    assert not load_access(acting(issue(sam)), globex.pk).is_member


@pytest.mark.parametrize("role", ["superuser", "", "owner"])
def test_it_cannot_be_a_superuser(sam, issue, role):
    with pytest.raises(Invalid):
        issue(sam, role=role)

    assert not ApiToken.objects.exists()


def test_only_superusers_create_it(eve, issue):
    with pytest.raises(Forbidden):
        issue(eve)


def test_it_creates_no_tokens_itself(sam, issue):
    with pytest.raises(Forbidden):
        issue(acting(issue(sam)))


def test_it_works_when_its_creator_has_left(acme, sam, issue, now, membership):
    other = actor_for(member(acme, "Sue", Role.SUPERUSER), acme)
    issued = issue(other)

    remove_member(sam, membership=membership(other), now=now)

    assert find_token(issued.secret, now) is not None


def test_it_expires_and_is_revoked(sam, issue, now):
    issued = issue(sam)

    assert find_token(issued.secret, now + YEAR) is None
    revoke_token(sam, token=issued.token, now=now)
    assert find_token(issued.secret, now) is None


def test_an_engineer_cannot_revoke_it_but_it_can_revoke_itself(eve, sam, issue, now):
    issued = issue(sam)

    with pytest.raises(Forbidden):
        revoke_token(eve, token=issued.token, now=now)
    revoke_token(acting(issued), token=issued.token, now=now)
    assert find_token(issued.secret, now) is None
