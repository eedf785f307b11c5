"""Creating an account with a superuser; suspending and resuming it with a reason."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress

from accounts.actor import Actor, Interface
from accounts.audit.queries import verify
from accounts.audit.vocabulary import Event
from accounts.commands.accounts import (
    AlreadySuspended,
    NotSuspended,
    create_account,
    record_staff_view,
    resume_account,
    suspend_account,
)
from accounts.commands.invitations import accept_invitation
from accounts.errors import Invalid
from accounts.models import Account, Invitation, Membership, OutgoingMail, User
from tests.factories.accounts import PASSWORD, UserFactory, context

OPERATOR = Actor.system("create-account", interface=Interface.COMMAND)


def new_account(now, **changed):
    fields = {
        "name": "Initech",
        "superuser_email": "Peter@Initech.example",
        "superuser_name": "Peter",
        "password": PASSWORD,
    }
    return create_account(OPERATOR, now=now, **(fields | changed))


def test_a_new_account_has_a_superuser_who_can_sign_in(db, now, noted):
    account = new_account(now)

    member = Membership.objects.select_related("user").get(account=account)
    assert (member.role, member.user.email) == ("superuser", "peter@initech.example")
    assert member.user.check_password(PASSWORD)
    address = EmailAddress.objects.get(user=member.user)
    assert (address.email, address.verified, address.primary) == (
        "peter@initech.example",
        True,
        True,
    )
    assert noted(account) == ["account.created", "user.created", "member.joined"]
    assert verify(account.pk).is_valid


def test_the_chained_text_contains_no_email_address(db, now, last_body):
    account = new_account(now, password=None)

    assert "initech.example" not in str(last_body(account))


def test_an_existing_user_is_invited_and_is_superuser_when_they_accept(db, now, noted):
    user = UserFactory.create(name="Grace")

    account = new_account(
        now, superuser_email=user.email, password="quite another one 77"
    )

    invitation = Invitation.objects.get(account=account)
    assert not Membership.objects.filter(user=user).exists()
    assert (invitation.email, invitation.role) == (user.email, "superuser")
    assert OutgoingMail.objects.get().invitation_id == invitation.pk
    assert noted(account) == ["account.created", "member.invited"]

    accept_invitation(context(), invitation=invitation, user=user, now=now)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert Membership.objects.get(account=account).role == "superuser"


def test_a_new_superuser_without_a_password_gets_an_email_to_choose_one(db, now):
    account = new_account(now, password=None)

    mail = OutgoingMail.objects.get()
    assert (mail.to, mail.account_id) == ("peter@initech.example", account.pk)
    assert "/accounts/password/reset/key/" not in mail.body
    assert "Choose your password:\n\n{link}\n" in mail.body
    assert not User.objects.get().has_usable_password()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "A\nBcc: someone"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"superuser_email": "no-address"}, "superuser_email"),
        ({"superuser_name": ""}, "name"),
        ({"password": "short"}, "password"),
    ],
)
def test_invalid_input_creates_no_account(db, now, changed, field):
    with pytest.raises(Invalid) as refusal:
        new_account(now, **changed)

    assert refusal.value.field == field
    assert (Account.objects.count(), User.objects.count()) == (0, 0)


def test_all_faults_of_a_password_are_reported_together(db, now):
    with pytest.raises(Invalid) as refusal:
        new_account(now, password="12345")

    assert refusal.value.details == (
        "This password is too short. It must contain at least 12 characters.",
        "This password is too common.",
        "This password is entirely numeric.",
        "This password is easy to guess. Use several unrelated words.",
    )


def test_staff_suspend_and_resume_an_account_with_reasons(
    acme, ada, now, noted, last_body
):
    suspend_account(ada, account=acme, reason=" Unpaid since August. ", now=now)

    assert (acme.is_active, acme.suspension_reason) == (False, "Unpaid since August.")
    assert last_body(acme)["reason"] == "Unpaid since August."
    assert (last_body(acme)["before"], last_body(acme)["after"]) == (
        {"state": "active"},
        {"state": "suspended"},
    )

    resume_account(ada, account=acme, reason="Paid.", now=now)

    assert (acme.is_active, acme.suspension_reason) == (True, "")
    assert noted(acme) == ["account.suspended", "account.resumed"]


def test_a_suspension_needs_a_reason(acme, ada, now, noted):
    with pytest.raises(Invalid) as refusal:
        suspend_account(ada, account=acme, reason=" ", now=now)

    assert refusal.value.field == "reason"
    acme.refresh_from_db()
    assert acme.is_active
    assert noted(acme) == []


def test_an_account_is_not_suspended_twice_or_resumed_while_active(
    acme, ada, now, noted
):
    with pytest.raises(NotSuspended):
        resume_account(ada, account=acme, reason="Why not.", now=now)
    suspend_account(ada, account=acme, reason="Unpaid.", now=now)
    with pytest.raises(AlreadySuspended):
        suspend_account(ada, account=acme, reason="Again.", now=now)

    acme.refresh_from_db()
    assert acme.suspension_reason == "Unpaid."
    assert noted(acme) == ["account.suspended"]


def test_staff_who_view_an_account_are_noted_every_15_minutes(
    acme, ada, now, noted, last_body
):
    view = {
        "event": Event.ACCOUNT_READ,
        "account_ids": [acme.pk],
        "target": ("account", acme.pk, "Acme"),
    }

    record_staff_view(ada, **view, now=now)
    record_staff_view(ada, **view, now=now + timedelta(minutes=14))
    assert noted(acme) == ["account.read"]
    record_staff_view(ada, **view, now=now + timedelta(minutes=15))

    body = last_body(acme)
    assert (body["action"], body["actor"]["type"]) == ("account.read", "staff")
    assert noted(acme) == ["account.read", "account.read"]
