"""Disabling people, ending their sessions, revoking their tokens; staff come and go."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.audit.models import AuditEvent
from accounts.commands import offboarding
from accounts.commands.invitations import (
    InviterWithoutRight,
    TooManyInvitations,
    accept_invitation,
    invite,
    revoke_invitation,
)
from accounts.commands.members import LastSuperuser, change_role, remove_member
from accounts.commands.tokens import revoke_token
from accounts.errors import Forbidden
from accounts.models import ApiToken, Invitation, Membership, User
from accounts.policy import decide
from accounts.roles import Permission, Role
from tests.factories.accounts import (
    PASSWORD,
    MembershipFactory,
    UserFactory,
    actor_for,
    context,
    member,
)
from tests.factories.keys import client_of

LOGIN = "/accounts/login/"


@pytest.fixture
def other(acme):
    """Return Max, another superuser of Acme."""
    return actor_for(member(acme, "Max", Role.SUPERUSER), acme)


def test_a_disabled_member_can_do_nothing_in_the_account(
    acme, globex, sam, eve, membership, browser, noted, now
):
    MembershipFactory.create(account=globex, user_id=eve.user_id)
    api, pages = client_of(eve), browser(eve)

    offboarding.disable_member(
        sam, membership=membership(eve), reason="On leave", now=now
    )

    assert not decide(eve, Permission.ACCOUNT_READ, acme).allowed
    assert api.get("/api/service").status_code == 401
    assert b"Globex" in pages.get("/").content
    assert b"Acme" not in pages.get("/").content
    assert "member.disabled" in noted(acme)
    offboarding.enable_member(sam, membership=membership(eve), reason="Back", now=now)
    assert decide(eve, Permission.SERVICE_DEPLOY, acme).allowed
    assert api.get("/api/service").status_code == 200


def test_the_last_enabled_superuser_is_not_disabled(sam, other, membership, now):
    offboarding.disable_member(sam, membership=membership(other), reason="x", now=now)

    with pytest.raises(LastSuperuser):
        offboarding.disable_member(sam, membership=membership(sam), reason="x", now=now)
    with pytest.raises(LastSuperuser):
        remove_member(sam, membership=membership(sam), now=now)


def test_a_members_sessions_end_everywhere(acme, sam, eve, membership, noted, now):
    client = Client()
    client.post(LOGIN, {"login": "eve@example.com", "password": PASSWORD})

    offboarding.end_member_sessions(
        sam, membership=membership(eve), reason="Lost laptop", now=now
    )

    assert client.get("/members/").status_code == 302
    assert not UserSession.objects.exists()
    assert noted(acme)[-1] == "session.ended"


def test_while_suspended_people_are_removed_and_tokens_revoked(
    acme, sam, eve, lin, membership, now
):
    client_of(eve)
    client_of(sam)
    open_one = invite(sam, account=acme, email="x@example.com", role="user", now=now)
    acme.suspended_at, acme.suspension_reason = now, "Unpaid"
    acme.save()

    offboarding.revoke_member_tokens(
        sam, membership=membership(eve), reason="Leak", now=now
    )
    revoke_token(sam, token=ApiToken.objects.get(user_id=sam.user_id), now=now)
    revoke_invitation(sam, invitation=open_one, now=now)
    remove_member(sam, membership=membership(lin), now=now)

    assert not ApiToken.objects.filter(revoked_at=None).exists()
    assert not Membership.objects.filter(user_id=lin.user_id).exists()
    with pytest.raises(Forbidden):
        change_role(sam, membership=membership(eve), role="user", now=now)


def test_a_disabled_user_is_signed_out_and_cannot_sign_in(
    acme, sam, eve, ada, noted, now
):
    client = Client()
    client.post(LOGIN, {"login": "eve@example.com", "password": PASSWORD})
    api = client_of(eve)

    offboarding.disable_user(
        ada, user=User.objects.get(pk=eve.user_id), reason="Fraud", now=now
    )

    assert client.get("/members/").status_code == 302
    assert api.get("/api/service").status_code == 401
    assert noted(acme)[-2:] == ["user.disabled", "session.ended"]


def test_staff_do_not_disable_themselves_or_the_last_of_them(ada, now):
    user = User.objects.get(pk=ada.user_id)

    with pytest.raises(offboarding.OwnUser):
        offboarding.disable_user(ada, user=user, reason="x", now=now)
    with pytest.raises(offboarding.OwnUser):
        offboarding.remove_staff(ada, user=user, reason="x", now=now)


def test_staff_are_appointed_and_removed(ada, now):
    UserFactory.create(name="Tom")

    tom = offboarding.appoint_staff(
        ada, email="tom@example.com", name="", password=None, now=now
    )
    tom.refresh_from_db()
    assert tom.is_staff
    offboarding.remove_staff(ada, user=tom, reason="Left", now=now)

    tom.refresh_from_db()
    assert (tom.is_staff, tom.is_superuser, tom.is_active) == (False, False, True)


def test_the_command_line_appoints_staff_and_is_recorded(db, capsys):
    call_command("createstaff", "root@example.com", "--name", "Root")

    assert User.objects.get().is_staff
    assert "Password (shown once): " in capsys.readouterr().out
    assert AuditEvent.objects.latest("sequence").body["interface"] == "command"


@pytest.mark.parametrize("name", ["createsuperuser", "changepassword"])
def test_commands_that_would_not_be_recorded_refuse(db, name):
    with pytest.raises(CommandError):
        call_command(name)


@pytest.mark.parametrize("how", ["demote", "remove", "disable"])
def test_an_invitation_ends_with_its_inviters_right(
    acme, sam, other, membership, noted, now, how
):
    sent = invite(other, account=acme, email="x@example.com", role="superuser", now=now)

    if how == "demote":
        change_role(sam, membership=membership(other), role="engineer", now=now)
    elif how == "remove":
        remove_member(sam, membership=membership(other), now=now)
    else:
        offboarding.disable_member(
            sam, membership=membership(other), reason="x", now=now
        )

    sent.refresh_from_db()
    assert sent.revoked_at == now
    assert "invitation.revoked" in noted(acme)


def test_an_invitation_counts_only_while_the_inviter_may_invite(
    acme, sam, other, membership, now
):
    sent = invite(other, account=acme, email="x@example.com", role="superuser", now=now)
    Membership.objects.filter(user_id=other.user_id).update(role="user")

    with pytest.raises(InviterWithoutRight):
        accept_invitation(
            context(), invitation=sent, user=None, name="X", password=PASSWORD, now=now
        )

    assert not User.objects.filter(email="x@example.com").exists()


def test_invitations_are_limited_per_account_and_day(acme, sam, now, monkeypatch):
    monkeypatch.setattr("accounts.commands.invitations.MAX_INVITATIONS_PER_DAY", 2)
    for number in range(2):
        invite(sam, account=acme, email=f"{number}@example.com", role="user", now=now)

    with pytest.raises(TooManyInvitations):
        invite(sam, account=acme, email="more@example.com", role="user", now=now)

    later = now + timedelta(days=1)
    invite(sam, account=acme, email="more@example.com", role="user", now=later)


def test_invitations_are_limited_per_address_over_all_accounts(
    acme, globex, sam, stan, now
):
    for number in range(5):
        sent = invite(sam, account=acme, email="x@example.com", role="user", now=now)
        revoke_invitation(sam, invitation=sent, now=now)
        assert number < 5

    with pytest.raises(TooManyInvitations):
        invite(stan, account=globex, email="x@example.com", role="user", now=now)

    assert Invitation.objects.count() == 5
