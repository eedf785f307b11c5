"""A seat is offered by mail, taken once, within a week, by who owns the address."""

from datetime import timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.commands.invitations import (
    AlreadyInvited,
    AlreadyMember,
    InvitationExpired,
    InvitationRevoked,
    InvitationUsed,
    OtherAddress,
    SignInFirst,
    accept_invitation,
    invite,
    revoke_invitation,
)
from accounts.commands.mail import invitation_id_of, invitation_key
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import Invitation, Membership, OutgoingMail, User
from accounts.roles import AccessLevel
from accounts.service_access import levels_of
from tests.factories.accounts import PASSWORD, UserFactory, context
from tests.factories.services import ServiceFactory

WEEK = timedelta(days=7)


@pytest.fixture
def offer(acme, sam, now):
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


def test_an_invitation_is_written_with_its_mail(acme, offer, now, noted, last_body):
    invitation = offer()

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


def test_somebody_new_joins_and_the_trail_names_them(
    acme, offer, now, noted, last_body
):
    member = join(offer(), now)

    assert (member.account_id, member.role) == (acme.pk, "engineer")
    assert (member.user.email, member.user.name) == ("lin@example.com", "Lin Okafor")
    assert member.user.check_password(PASSWORD)
    assert noted(acme) == ["member.invited", "user.created", "member.joined"]
    body = last_body(acme)
    assert body["actor"] == {
        "type": "system",
        "id": "accept-invitation",
        "label": "Lin Okafor",
    }
    assert body["on_behalf_of"] == member.user_id


def test_somebody_known_joins_with_the_seat_that_was_offered(acme, shop, offer, now):
    user = UserFactory.create(name="Lin")
    invitation = offer(limit_services=True, services={shop.pk: "read_only"})

    member = join(invitation, now, user=user)

    assert (member.user_id, member.limit_services) == (user.pk, True)
    assert levels_of(user.pk) == {shop.pk: AccessLevel.READ_ONLY}


def test_an_invitation_works_once(acme, offer, now):
    invitation = offer()
    member = join(invitation, now)

    with pytest.raises(InvitationUsed):
        join(invitation, now, user=member.user)

    assert Membership.objects.filter(account=acme, user=member.user).count() == 1


def test_an_invitation_holds_for_a_week_to_the_moment(offer, now, acme):
    late, early = offer(), offer(email="ned@example.com")

    with pytest.raises(InvitationExpired, match="good for seven days"):
        join(late, now + WEEK)
    join(early, now + WEEK - timedelta(seconds=1), name="Ned")

    assert not User.objects.filter(email="lin@example.com").exists()


def test_a_withdrawn_invitation_is_dead(acme, sam, offer, now, noted):
    invitation = offer()
    revoke_invitation(sam, invitation=invitation, now=now)

    with pytest.raises(InvitationRevoked):
        join(invitation, now)
    with pytest.raises(InvitationRevoked):
        revoke_invitation(sam, invitation=invitation, now=now)

    assert noted(acme) == ["member.invited", "invitation.revoked"]


def test_only_who_owns_the_address_takes_the_seat(acme, una, offer, now):
    una_user = User.objects.get(pk=una.user_id)
    invitation = offer()

    with pytest.raises(OtherAddress):
        join(invitation, now, user=una_user)

    assert Invitation.objects.get().accepted_at is None


def test_who_has_a_sign_in_must_use_it(acme, offer, now):
    UserFactory.create(name="Lin")

    with pytest.raises(SignInFirst):
        join(offer(), now)

    assert Membership.objects.filter(role="engineer").count() == 0


def test_a_weak_password_joins_nobody(acme, offer, now, noted):
    with pytest.raises(Invalid) as refusal:
        join(offer(), now, password="lin@example.com")

    assert refusal.value.field == "password"
    assert not User.objects.filter(email="lin@example.com").exists()
    assert noted(acme) == ["member.invited"]


def test_an_address_has_one_open_invitation(acme, offer, now):
    offer()

    with pytest.raises(AlreadyInvited):
        offer(email="LIN@example.com", role="user")

    assert Invitation.objects.get().role == "engineer"


def test_an_expired_invitation_makes_room_for_a_new_one(offer, now):
    first = offer()
    second = offer(role="user", now=now + WEEK)

    first.refresh_from_db()
    assert first.revoked_at == now + WEEK
    assert second.revoked_at is None


def test_a_member_is_not_invited_again(acme, eve, offer):
    with pytest.raises(AlreadyMember, match="Eve is in Acme already"):
        offer(email="eve@example.com")

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
def test_bad_input_invites_nobody(offer, changed, field):
    with pytest.raises(Invalid) as refusal:
        offer(**changed)

    assert refusal.value.field == field
    assert not Invitation.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_service_of_another_account_cannot_be_offered(globex, offer):
    theirs = ServiceFactory.create(account=globex, name="theirs")

    with pytest.raises(NotFound):
        offer(limit_services=True, services={theirs.pk: "full"})

    assert not Invitation.objects.exists()


@pytest.mark.parametrize("who", ["eve", "lin", "bo", "una"])
def test_only_superusers_invite(request, acme, who, now):
    with pytest.raises(Forbidden):
        invite(
            request.getfixturevalue(who),
            account=acme,
            email="ned@example.com",
            role="user",
            now=now,
        )

    assert not Invitation.objects.exists()
    assert not OutgoingMail.objects.exists()


def test_a_superuser_of_another_account_invites_nobody_here(acme, stan, now):
    with pytest.raises(NotFound):
        invite(stan, account=acme, email="ned@example.com", role="user", now=now)


def test_a_link_cannot_be_forged(offer):
    invitation = offer()
    key = invitation_key(invitation)

    assert invitation_id_of(key) == invitation.pk
    assert invitation_id_of(key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    assert invitation_id_of(invitation.pk) is None
