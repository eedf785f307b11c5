"""Accounts: created by staff or the operator, suspended and resumed with a reason."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.urls import reverse

from accounts.actor import Actor
from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.change import Trail, recorded_change
from accounts.commands.invitations import note_invited, offer_membership
from accounts.commands.mail import LINK, queue_mail
from accounts.commands.proposals import (
    ProposalKind,
    ProposedChange,
    propose,
    register,
    require_approval,
)
from accounts.commands.reasons import clean_reason
from accounts.commands.users import (
    NewUser,
    add_user,
    cleaned_email,
    cleaned_name,
    user_with_email,
    validate_new_user,
)
from accounts.errors import Conflict
from accounts.models import Account, Membership, Proposal, User
from accounts.policy import PLATFORM
from accounts.roles import Permission, Role

STAFF_VIEW_INTERVAL: Final = timedelta(minutes=15)


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
    """Create an account with its first superuser (R22); an existing user is invited to be it.

    An existing user must accept, so the account has no member until then. A new user without a
    password gets an email to choose one. Raises Forbidden and Invalid. Notes account.created, then
    user.created and member.joined, or member.invited, in the new account's chain.
    """
    account = Account(name=cleaned_name(name), created_at=now)
    email = cleaned_email(superuser_email, field="superuser_email")
    new_user = None
    if user_with_email(email) is None:
        new_user = validate_new_user(
            email=email, name=superuser_name, password=password
        )
    with recorded_change(
        actor, Permission.ACCOUNT_CREATE, on=PLATFORM, also=[account.pk], now=now
    ) as trail:
        account.created_at = trail.now
        account.save(force_insert=True)
        trail.note(
            Event.ACCOUNT_CREATED,
            target=("account", account.pk, account.name),
            after={"name": account.name},
            account_id=account.pk,
        )
        if new_user is None:
            invitation = offer_membership(
                sender=actor,
                account=account,
                email=email,
                role=Role.SUPERUSER.value,
                now=trail.now,
            )
            note_invited(trail, invitation)
            return account
        user = _add_superuser(trail, account, new_user)
        if password is None:
            _queue_password_mail(account, user, now=trail.now)
    return account


def _add_superuser(trail: Trail, account: Account, new: NewUser) -> User:
    user = add_user(new, now=trail.now)
    target = ("user", user.pk, str(user))
    trail.note(Event.USER_CREATED, target=target, account_id=account.pk)
    Membership.objects.create(
        account=account,
        user=user,
        role=Role.SUPERUSER,
        created_at=trail.now,
        updated_at=trail.now,
    )
    trail.note(
        Event.MEMBER_JOINED,
        target=target,
        after={"role": Role.SUPERUSER.value},
        account_id=account.pk,
    )
    return user


def _queue_password_mail(account: Account, user: User, *, now: datetime) -> None:
    another = f"{settings.PORTAL_URL}{reverse('account_reset_password')}"
    queue_mail(
        account=account,
        to=user.email,
        subject=f"Your Tollgate account {account.name} is ready",
        body=(
            f"Hello {user.name},\n\n"
            f"You are the superuser of {account.name}.\n\n"
            f"Choose your password:\n\n{LINK}\n\n"
            f"The link works once, for three days. Get another one: {another}\n"
        ),
        now=now,
        password_of=user,
    )


def suspend_account(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> None:
    """Suspend an account: it can be read but not changed, and edges refuse its connections.

    Raises Forbidden, ApprovalNeeded, Invalid without a reason, AlreadySuspended. Notes
    account.suspended.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.ACCOUNT_SUSPEND, on=account, now=now
    ) as trail:
        require_approval(actor)
        suspended = Account.objects.filter(pk=account.pk, suspended_at=None).update(
            suspended_at=trail.now, suspension_reason=reason
        )
        if not suspended:
            raise AlreadySuspended(f"{account.name} is already suspended.")
        _note_state(trail, Event.ACCOUNT_SUSPENDED, account, reason)
    account.refresh_from_db()


def propose_suspension(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> Proposal:
    """Propose to suspend an account. Raises Forbidden, Invalid without a reason."""
    reason = clean_reason(reason)
    change = ProposedChange(
        ProposalKind.SUSPEND_ACCOUNT,
        f"Suspend the account {account.name}",
        {"account": account.pk, "reason": reason},
        account=account,
    )
    return propose(actor, change=change, reason=reason, now=now)


def _suspend(actor: Actor, arguments: Mapping[str, Any], now: datetime) -> None:
    account = Account.objects.get(pk=arguments["account"])
    suspend_account(actor, account=account, reason=arguments["reason"], now=now)


register(ProposalKind.SUSPEND_ACCOUNT, _suspend)


def resume_account(
    actor: Actor, *, account: Account, reason: str, now: datetime
) -> None:
    """End an account's suspension.

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
    resumed = event is Event.ACCOUNT_RESUMED
    trail.note(
        event,
        target=("account", account.pk, account.name),
        before={"state": "suspended" if resumed else "active"},
        after={"state": "active" if resumed else "suspended"},
        reason=reason,
    )


def record_staff_view(
    actor: Actor,
    *,
    event: Event,
    account_ids: Collection[str],
    target: tuple[str, str, str],
    now: datetime,
) -> None:
    """Note that staff viewed a page about accounts, in the chain of each, or in the platform's.

    The same page is noted at most once in 15 minutes. Raises Forbidden and NotFound for others than
    staff. Notes account.read or audit.read.
    """
    chains = set(account_ids) or {PLATFORM.account_id}
    recent = AuditEvent.objects.filter(
        account_id__in=chains,
        action=event,
        actor_id=actor.id,
        target_type=target[0],
        target_id=target[1],
        at__gt=now - STAFF_VIEW_INTERVAL,
    )
    chains -= set(recent.values_list("account_id", flat=True))
    if not chains:
        return
    with recorded_change(
        actor, Permission.ACCOUNT_READ, on=PLATFORM, also=chains, now=now
    ) as trail:
        for chain in sorted(chains):
            trail.note(event, target=target, account_id=chain)
