"""Accounts: opened by staff or the operator, suspended and resumed with a reason."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, recorded_change
from accounts.commands.mail import queue_mail
from accounts.commands.reasons import clean_reason
from accounts.commands.users import (
    NewUser,
    add_person,
    cleaned_email,
    cleaned_name,
    user_with_email,
    validate_new_user,
)
from accounts.errors import Conflict
from accounts.models import Account, Membership, User
from accounts.policy import PLATFORM
from accounts.roles import Permission, Role


class AlreadySuspended(Conflict):
    """The account is suspended."""

    code = "already_suspended"


class NotSuspended(Conflict):
    """The account is not suspended."""

    code = "not_suspended"


def create_account(
    actor: Actor,
    *,
    name: str,
    superuser_email: str,
    superuser_name: str,
    password: str | None,
    now: datetime,
) -> Account:
    """Open an account with its first superuser (R22), who may be somebody known.

    A known person keeps their password. A new one without a password is asked by mail to set one.
    Raises Forbidden and Invalid. Notes account.created, user.created for a new person, and
    member.joined, in the new account's own chain.
    """
    account = Account(name=cleaned_name(name), created_at=now)
    email = cleaned_email(superuser_email, field="superuser_email")
    person = None
    if user_with_email(email) is None:
        person = validate_new_user(email=email, name=superuser_name, password=password)
    with recorded_change(
        actor, Permission.ACCOUNT_CREATE, on=PLATFORM, also=[account.pk], now=now
    ) as trail:
        account.save(force_insert=True)
        trail.note(
            Event.ACCOUNT_CREATED,
            target=("account", account.pk, account.name),
            after={"name": account.name},
            account_id=account.pk,
        )
        user = _first_superuser(person, email, now=now)
        target = ("user", user.pk, str(user))
        if person is not None:
            trail.note(Event.USER_CREATED, target=target, account_id=account.pk)
        Membership.objects.create(
            account=account,
            user=user,
            role=Role.SUPERUSER,
            created_at=now,
            updated_at=now,
        )
        trail.note(
            Event.MEMBER_JOINED,
            target=target,
            after={"role": Role.SUPERUSER.value},
            account_id=account.pk,
        )
        if person is not None and password is None:
            _ask_for_password(account, user, now=now)
    return account


def _first_superuser(person: NewUser | None, email: str, *, now: datetime) -> User:
    if person is not None:
        return add_person(person, now=now)
    known = user_with_email(email)
    if known is None:
        raise Conflict("This person was deleted a moment ago. Try again.")
    return known


def _ask_for_password(account: Account, user: User, *, now: datetime) -> None:
    address = f"{settings.PORTAL_URL}{reverse('account_reset_password')}"
    queue_mail(
        account=account,
        to=user.email,
        subject=f"Your account {account.name} is open",
        body=(
            f"Hello {user.name},\n\n"
            f"the account {account.name} was opened for you; you are its superuser.\n"
            f"Set your password here, with this address:\n\n{address}\n"
        ),
        now=now,
    )


def suspend_account(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> None:
    """Suspend an account (gate 1): it can be read, not changed, and its edge refuses connections.

    Raises Forbidden, Invalid without a reason, AlreadySuspended. Notes account.suspended.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.ACCOUNT_SUSPEND, on=account, now=now
    ) as trail:
        suspended = Account.objects.filter(pk=account.pk, suspended_at=None).update(
            suspended_at=now, suspension_reason=reason
        )
        if not suspended:
            raise AlreadySuspended(f"{account.name} is suspended already.")
        _note_state(trail, Event.ACCOUNT_SUSPENDED, account, reason)
    account.refresh_from_db()


def resume_account(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> None:
    """Lift an account's suspension.

    Raises Forbidden, Invalid without a reason, NotSuspended. Notes account.resumed.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.ACCOUNT_SUSPEND, on=account, now=now
    ) as trail:
        resumed = Account.objects.filter(
            pk=account.pk, suspended_at__isnull=False
        ).update(suspended_at=None, suspension_reason="")
        if not resumed:
            raise NotSuspended(f"{account.name} is not suspended.")
        _note_state(trail, Event.ACCOUNT_RESUMED, account, reason)
    account.refresh_from_db()


def _note_state(trail: Trail, event: Event, account: Account, reason: str) -> None:
    words = ("suspended", "active")
    before, after = words if event is Event.ACCOUNT_RESUMED else words[::-1]
    trail.note(
        event,
        target=("account", account.pk, account.name),
        before={"state": before},
        after={"state": after},
        reason=reason,
    )


def record_staff_view(actor: Actor, *, account: Account, now: datetime) -> None:
    """Note, in the account's trail, that staff looked into it.

    Raises Forbidden. Notes account.read.
    """
    with recorded_change(actor, Permission.ACCOUNT_READ, on=account, now=now) as trail:
        trail.note(Event.ACCOUNT_READ, target=("account", account.pk, account.name))
