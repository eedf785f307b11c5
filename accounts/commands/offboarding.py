"""Offboarding: disable people, end their sessions, revoke their tokens; staff come and go.

Superusers act on members of their account: a disabled member can do nothing in this account. Staff
act on the person: a disabled user cannot sign in at all. Each change has a reason.
"""

from collections.abc import Iterable
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.db.models import QuerySet

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.members import (
    locked_member,
    require_another_superuser,
    withdraw_invitations,
)
from accounts.commands.reasons import clean_reason
from accounts.commands.sign_in import chains_of
from accounts.commands.users import (
    NewUser,
    add_user,
    user_with_email,
    validate_new_user,
)
from accounts.errors import Conflict, NotFound
from accounts.models import ApiToken, Membership, User
from accounts.policy import PLATFORM
from accounts.roles import Permission


class LastStaff(Conflict):
    """No other member of staff would be left."""

    code = "last_staff"


class OwnUser(Conflict):
    """Staff cannot disable or remove themselves."""

    code = "own_user"


def disable_member(
    actor: Actor, *, membership: Membership, reason: str, now: datetime
) -> None:
    """Disable a member in the account, and withdraw their open invitations.

    They keep their role, and their tokens of the account are refused. Raises Forbidden, NotFound,
    Invalid without a reason, and LastSuperuser (R22). Notes member.disabled, and invitation.revoked
    for each invitation.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.MEMBER_REMOVE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        if member.disabled_at is not None:
            raise Unchanged
        require_another_superuser(member)
        member.disabled_at = member.updated_at = trail.now
        member.save(update_fields=["disabled_at", "updated_at"])
        withdraw_invitations(trail, member, now=trail.now)
        trail.note(Event.MEMBER_DISABLED, target=_target(member.user), reason=reason)


def enable_member(
    actor: Actor, *, membership: Membership, reason: str, now: datetime
) -> None:
    """Enable a disabled member again.

    Raises Forbidden, NotFound, and Invalid without a reason. Notes member.enabled.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        if member.disabled_at is None:
            raise Unchanged
        member.disabled_at, member.updated_at = None, trail.now
        member.save(update_fields=["disabled_at", "updated_at"])
        trail.note(Event.MEMBER_ENABLED, target=_target(member.user), reason=reason)


def end_member_sessions(
    actor: Actor, *, membership: Membership, reason: str, now: datetime
) -> None:
    """Sign a member out everywhere.

    Raises Forbidden, NotFound, and Invalid without a reason. Notes session.ended for each session,
    in each account of the user.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor,
        Permission.MEMBER_REMOVE,
        on=membership,
        also=chains_of(membership.user),
        now=now,
    ) as trail:
        member = locked_member(membership)
        _end_sessions(trail, member.user, reason=reason)


def revoke_member_tokens(
    actor: Actor, *, membership: Membership, reason: str, now: datetime
) -> None:
    """Revoke all API tokens of a member for the account.

    Raises Forbidden, NotFound, and Invalid without a reason. Notes token.revoked for each.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.TOKEN_MANAGE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        tokens = active_tokens(member.user).filter(account_id=member.account_id)
        if not _revoke(trail, tokens, reason=reason, now=trail.now):
            raise Unchanged


def disable_user(actor: Actor, *, user: User, reason: str, now: datetime) -> None:
    """Disable a user: sign them out, and refuse their sign-in and tokens.

    Raises Forbidden, Invalid without a reason, OwnUser, LastStaff, and LastSuperuser (R22). Notes
    user.disabled, and session.ended for each session.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=chains_of(user), now=now
    ) as trail:
        held = _locked(user)
        if not held.is_active:
            raise Unchanged
        _require_other(actor, held)
        _require_another_staff(held)
        for member in Membership.objects.filter(user=held).select_related("user"):
            require_another_superuser(member)
        held.is_active = False
        held.save(update_fields=["is_active"])
        _note(trail, Event.USER_DISABLED, held, reason=reason)
        _end_sessions(trail, held, reason=reason, required=False)


def enable_user(actor: Actor, *, user: User, reason: str, now: datetime) -> None:
    """Enable a disabled user again.

    Raises Forbidden, and Invalid without a reason. Notes user.enabled.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=chains_of(user), now=now
    ) as trail:
        held = _locked(user)
        if held.is_active:
            raise Unchanged
        held.is_active = True
        held.save(update_fields=["is_active"])
        _note(trail, Event.USER_ENABLED, held, reason=reason)


def end_user_sessions(actor: Actor, *, user: User, reason: str, now: datetime) -> None:
    """Sign a user out everywhere.

    Raises Forbidden, and Invalid without a reason. Notes session.ended for each session.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=chains_of(user), now=now
    ) as trail:
        _end_sessions(trail, _locked(user), reason=reason)


def revoke_user_tokens(actor: Actor, *, user: User, reason: str, now: datetime) -> None:
    """Revoke all API tokens of a user, in every account.

    Raises Forbidden, and Invalid without a reason. Notes token.revoked for each, in its account.
    """
    reason = clean_reason(reason)
    tokens = active_tokens(user)
    accounts = set(tokens.values_list("account_id", flat=True))
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=accounts, now=now
    ) as trail:
        found = tokens.filter(account_id__in=accounts)
        if not _revoke(trail, found, reason=reason, now=trail.now):
            raise Unchanged


def appoint_staff(
    actor: Actor, *, email: str, name: str, password: str | None, now: datetime
) -> User:
    """Make a user a member of staff, or create one; this gives no role in any account.

    A new user without a password chooses one by email. Raises Forbidden and Invalid. Notes
    staff.appointed, and user.created for a new user.
    """
    known = user_with_email(email.strip().lower())
    if known is None:
        return _create_staff(
            actor,
            new=validate_new_user(email=email, name=name, password=password),
            now=now,
        )
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=chains_of(known), now=now
    ) as trail:
        user = _locked(known)
        if user.is_staff:
            raise Unchanged
        user.is_staff = user.is_superuser = True
        user.save(update_fields=["is_staff", "is_superuser"])
        _note(trail, Event.STAFF_APPOINTED, user)
    return known


def _create_staff(actor: Actor, *, new: NewUser, now: datetime) -> User:
    with recorded_change(actor, Permission.USER_MANAGE, on=PLATFORM, now=now) as trail:
        user = add_user(new, now=trail.now, is_staff=True)
        trail.note(Event.USER_CREATED, target=_target(user))
        trail.note(Event.STAFF_APPOINTED, target=_target(user))
    return user


def remove_staff(actor: Actor, *, user: User, reason: str, now: datetime) -> None:
    """Make a member of staff an ordinary user, and sign them out.

    Raises Forbidden, Invalid without a reason, OwnUser and LastStaff. Notes staff.removed, and
    session.ended for each session.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.USER_MANAGE, on=PLATFORM, also=chains_of(user), now=now
    ) as trail:
        held = _locked(user)
        if not held.is_staff:
            raise Unchanged
        _require_other(actor, held)
        _require_another_staff(held)
        held.is_staff = held.is_superuser = False
        held.save(update_fields=["is_staff", "is_superuser"])
        _note(trail, Event.STAFF_REMOVED, held, reason=reason)
        _end_sessions(trail, held, reason=reason, required=False)


def active_tokens(user: User) -> QuerySet[ApiToken]:
    """Return the user's API tokens that are not revoked, in every account."""
    return ApiToken.objects.filter(user=user, revoked_at=None).order_by("pk")


def _revoke(
    trail: Trail, tokens: QuerySet[ApiToken], *, reason: str, now: datetime
) -> bool:
    """Revoke tokens within the caller's change; return whether there was one."""
    found = list(tokens.select_for_update())
    for token in found:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        trail.note(
            Event.TOKEN_REVOKED,
            target=("token", token.pk, token.name),
            before={"owner": str(token.user)},
            reason=reason,
            account_id=token.account_id,
        )
    return bool(found)


def _end_sessions(
    trail: Trail, user: User, *, reason: str, required: bool = True
) -> None:
    sessions: Iterable[UserSession] = UserSession.objects.filter(user=user)
    found = list(sessions)
    if required and not found:
        raise Unchanged
    for session in found:
        session.end()
        _note(trail, Event.SESSION_ENDED, user, reason=reason)


def _locked(user: User) -> User:
    held = User.objects.select_for_update().filter(pk=user.pk).first()
    if held is None:
        raise NotFound("User not found.")
    return held


def _require_other(actor: Actor, user: User) -> None:
    if user.pk == actor.user_id:
        raise OwnUser("You can't do this to yourself. Ask another member of staff.")


def _require_another_staff(user: User) -> None:
    others = User.objects.filter(is_staff=True, is_active=True).exclude(pk=user.pk)
    if user.is_staff and not others.exists():
        raise LastStaff(
            f"{user} is the only member of staff. Appoint someone else first."
        )


def _note(trail: Trail, event: Event, user: User, reason: str = "") -> None:
    for chain in trail.entries:
        trail.note(event, target=_target(user), reason=reason, account_id=chain)


def _target(user: User) -> tuple[str, str, str]:
    return ("user", user.pk, str(user))
