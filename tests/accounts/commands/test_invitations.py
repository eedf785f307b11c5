"""Invitations by email: accepted once, within seven days, by the owner of the address."""

from datetime import timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.commands.invitations import (
    MAX_PER_ADDRESS_AND_DAY,
    AlreadyInvited,
    AlreadyMember,
    InvitationExpired,
    InvitationRevoked,
    InvitationUsed,
    InviterWithoutRight,
    OtherAddress,
    SignInFirst,
    TooManyInvitations,
    accept_invitation,
    invite,
    resend_invitation,
    revoke_invitation,
)
from accounts.commands.mail import invitation_id_of, invitation_key
from accounts.commands.members import limit_services
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import Invitation, Membership, OutgoingMail, User
from accounts.roles import AccessLevel
from accounts.service_access import levels_of
from tests.factories.accounts import PASSWORD, UserFactory, context
from tests.factories.services import ServiceFactory

WEEK = timedelta(days=7)


@pytest.fixture
def invited(acme, sam, now):
    """Return a function that invites as Sam."""

    def send(**changed):
        fields = {"email": "Lin@example.com", "role": "engineer", "now": now}
        return invite(sam, account=acme, **(fields | changed))

    return send


def join(invitation, now, user=None, name="Lin Okafor", password=PASSWORD):
    return accept_invitation(
        context(),
        invitation=invitation,
        user=user,
        name=name,
        password=password,
        now=now,
    )


def test_an_invitation_is_stored_with_its_email(acme, invited, now, noted, last_body):
    invitation = invited()

    assert (invitation.email, invitation.invited_by) == ("lin@example.com", "Sam")
    assert invitation.expires_at == now + WEEK
    mail = OutgoingMail.objects.get()
    assert (mail.to, mail.invitation_id, mail.sent_at) == (
        "lin@example.com",
        invitation.pk,
        None,
    )
    assert "{link}" in mail.body
    assert noted(acme) == ["member.invited"]
    assert last_body(acme)["target"]["label"] == "l…@example.com"


def test_a_new_user_joins_and_is_named_in_the_trail(
    acme, invited, now, noted, last_body
):
    member = join(invited(), now)

    assert (member.account_id, member.role) == (acme.pk, "engineer")
    assert (member.user.email, member.user.name) == ("lin@example.com", "Lin Okafor")
    assert member.user.check_password(PASSWORD)
    assert noted(acme) == ["member.invited", "user.created", "member.joined"]
    body = last_body(acme)
    assert body["actor"] == {
        "type": "user",
        "id": member.user_id,
        "label": "Lin Okafor",
    }
    assert body["on_behalf_of"] == ""


def test_an_existing_user_joins_with_the_invited_role_and_access(
    acme, shop, invited, now
):
    user = UserFactory.create(name="Lin")
    invitation = invited(limit_services=True, services={shop.pk: "read_only"})

    member = join(invitation, now, user=user)

    assert (member.user_id, member.limit_services) == (user.pk, True)
    assert levels_of(user.pk) == {shop.pk: AccessLevel.READ_ONLY}


def test_an_invitation_works_once(acme, invited, now):
    invitation = invited()
    member = join(invitation, now)

    with pytest.raises(InvitationUsed):
        join(invitation, now, user=member.user)

    assert Membership.objects.filter(account=acme, user=member.user).count() == 1


def test_an_invitation_is_valid_for_exactly_seven_days(invited, now, acme):
    late, early = invited(), invited(email="ned@example.com")

    with pytest.raises(InvitationExpired):
        join(late, now + WEEK)
    join(early, now + WEEK - timedelta(seconds=1), name="Ned")

    assert not User.objects.filter(email="lin@example.com").exists()


def test_a_withdrawn_invitation_cannot_be_accepted_or_withdrawn_again(
    acme, sam, invited, now, noted
):
    invitation = invited()
    revoke_invitation(sam, invitation=invitation, now=now)

    with pytest.raises(InvitationRevoked):
        join(invitation, now)
    with pytest.raises(InvitationRevoked):
        revoke_invitation(sam, invitation=invitation, now=now)

    assert noted(acme) == ["member.invited", "invitation.revoked"]


@pytest.mark.parametrize("days", [1, 8])
def test_an_invitation_is_sent_again_with_a_new_link(
    acme, sam, invited, now, days, noted
):
    old = invited(limit_services=False, role="user")
    later = now + timedelta(days=days)

    new = resend_invitation(sam, invitation=old, now=later)

    with pytest.raises(InvitationRevoked):
        join(old, later)
    assert new.expires_at == later + WEEK
    assert join(new, later + timedelta(days=6)).role == "user"
    assert noted(acme)[:2] == ["member.invited", "invitation.resent"]


def test_an_email_with_the_old_link_is_no_longer_sent(sam, invited, now):
    new = resend_invitation(sam, invitation=invited(), now=now)

    assert list(OutgoingMail.sendable(now).values_list("invitation", flat=True)) == [
        new.pk
    ]


@pytest.mark.parametrize("role", ["user", "engineer"])
def test_an_engineer_invites_users_and_engineers(acme, eve, role, now):
    join(invite(eve, account=acme, email="new@example.com", role=role, now=now), now)

    member = Membership.objects.get(user__email="new@example.com")
    assert (member.role, member.limit_services) == (role, False)


@pytest.mark.parametrize(
    "who, role",
    [("eve", "billing"), ("eve", "superuser"), ("lin", "user"), ("una", "user")],
)
def test_no_one_gives_more_than_they_have(request, acme, who, role, now):
    actor = request.getfixturevalue(who)

    with pytest.raises(Forbidden):
        invite(actor, account=acme, email="new@example.com", role=role, now=now)

    assert not Invitation.objects.exists()


def test_an_invitation_counts_only_while_the_engineer_has_all_services(
    acme, sam, eve, shop, now
):
    offered = invite(eve, account=acme, email="new@example.com", role="user", now=now)
    membership = Membership.objects.get(user_id=eve.user_id)
    Membership.objects.update(limit_services=True)

    with pytest.raises(InviterWithoutRight):
        join(offered, now)

    Membership.objects.update(limit_services=False)
    access = {shop.pk: AccessLevel.FULL}
    limit_services(sam, membership=membership, limited=True, services=access, now=now)
    with pytest.raises(InvitationRevoked):
        join(offered, now)


def test_an_invitation_that_staff_send_again_stays_the_members(ada, sam, invited, now):
    new = resend_invitation(ada, invitation=invited(), now=now)

    assert (new.invited_by, new.inviter_id) == ("Sam", sam.user_id)


def test_staff_do_not_send_the_invitation_of_someone_who_may_no_longer_invite(
    acme, ada, sam, eve, invited, now
):
    old = invited()
    Membership.objects.filter(user_id=sam.user_id).update(role="user")

    with pytest.raises(InviterWithoutRight):
        resend_invitation(ada, invitation=old, now=now)

    old.refresh_from_db()
    assert old.revoked_at is None


def test_an_invitation_is_sent_again_a_few_times_per_day(sam, invited, now):
    last = invited()
    for _ in range(MAX_PER_ADDRESS_AND_DAY - 1):
        last = resend_invitation(sam, invitation=last, now=now)

    with pytest.raises(TooManyInvitations):
        resend_invitation(sam, invitation=last, now=now)

    last.refresh_from_db()
    assert last.revoked_at is None


def test_an_accepted_invitation_is_not_sent_again(sam, invited, now):
    invitation = invited()
    join(invitation, now)

    with pytest.raises(InvitationUsed):
        resend_invitation(sam, invitation=invitation, now=now)


def test_only_the_owner_of_the_address_can_accept(acme, una, invited, now):
    una_user = User.objects.get(pk=una.user_id)
    invitation = invited()

    with pytest.raises(OtherAddress):
        join(invitation, now, user=una_user)

    assert Invitation.objects.get().accepted_at is None


def test_a_user_with_a_login_must_sign_in(acme, invited, now):
    UserFactory.create(name="Lin")

    with pytest.raises(SignInFirst):
        join(invited(), now)

    assert Membership.objects.filter(role="engineer").count() == 0


def test_a_weak_password_creates_no_user(acme, invited, now, noted):
    with pytest.raises(Invalid) as refusal:
        join(invited(), now, password="lin@example.com")

    assert refusal.value.field == "password"
    assert not User.objects.filter(email="lin@example.com").exists()
    assert noted(acme) == ["member.invited"]


def test_an_address_has_one_open_invitation(acme, invited, now):
    invited()

    with pytest.raises(AlreadyInvited):
        invited(email="LIN@example.com", role="user")

    assert Invitation.objects.get().role == "engineer"


def test_a_new_invitation_replaces_an_expired_one(invited, now):
    first = invited()
    second = invited(role="user", now=now + WEEK)

    first.refresh_from_db()
    assert first.revoked_at == now + WEEK
    assert second.revoked_at is None


def test_a_member_is_not_invited_again(acme, eve, invited):
    with pytest.raises(AlreadyMember):
        invited(email="eve@example.com")

    assert not Invitation.objects.exists()
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "lin@"}, "email"),
        ({"role": "owner"}, "role"),
        ({"role": "billing", "limit_services": True}, "limit_services"),
        ({"services": {"x" * 22: "full"}}, "services"),
        ({"limit_services": True, "services": {"x" * 22: "some"}}, "services"),
    ],
)
def test_invalid_input_creates_no_invitation(invited, changed, field):
    with pytest.raises(Invalid) as refusal:
        invited(**changed)

    assert refusal.value.field == field
    assert not Invitation.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_service_of_another_account_is_not_found(globex, invited):
    foreign = ServiceFactory.create(account=globex, name="foreign")

    with pytest.raises(NotFound):
        invited(limit_services=True, services={foreign.pk: "full"})

    assert not Invitation.objects.exists()


def test_a_link_cannot_be_forged(invited):
    invitation = invited()
    key = invitation_key(invitation)

    assert invitation_id_of(key) == invitation.pk
    assert invitation_id_of(key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    assert invitation_id_of(invitation.pk) is None
