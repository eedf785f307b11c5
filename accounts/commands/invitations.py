"""Invitations by email: accepted once, within seven days, by the owner of the address."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from accounts.actor import Actor, ActorType, Context
from accounts.audit.vocabulary import Event
from accounts.change import Trail, recorded_change
from accounts.commands import service_access
from accounts.commands.mail import LINK, queue_mail
from accounts.commands.users import (
    add_user,
    cleaned_email,
    cleaned_name,
    masked,
    user_with_email,
    validate_new_user,
)
from accounts.date_formats import minute_text, read_as
from accounts.errors import Conflict, Forbidden, Invalid, NotFound
from accounts.models import Account, Invitation, Membership, User
from accounts.policy import members_with
from accounts.queries import NO_SUCH_INVITATION, account_services
from accounts.roles import (
    ROLES_WITH_LIMITED_ACCESS,
    AccessLevel,
    Permission,
    Role,
)

INVITATION_LIFETIME: Final = timedelta(days=7)
MAX_INVITATIONS_PER_DAY: Final = 50  # per account
MAX_PER_ADDRESS_AND_DAY: Final = 5  # from all accounts
# The system job in `roles.SYSTEM_PERMISSIONS` by whose permission a user joins.
JOINING: Final = "accept-invitation"
# Fastly lets engineers invite these roles through its API; on its pages only superusers invite.
ROLES_ENGINEERS_INVITE: Final = frozenset({Role.ENGINEER, Role.USER})


class AlreadyMember(Conflict):
    """The user is already a member of the account."""

    code = "already_member"


class AlreadyInvited(Conflict):
    """The address already has an invitation that can be accepted."""

    code = "already_invited"


class InvitationUsed(Conflict):
    """The invitation was already accepted."""

    code = "invitation_used"


class InvitationRevoked(Conflict):
    """The invitation was withdrawn."""

    code = "invitation_revoked"


class InviterWithoutRight(Conflict):
    """The inviter has left the account, or may no longer invite people to it."""

    code = "inviter_without_right"


class TooManyInvitations(Conflict):
    """The account, or the address, has had too many invitations today."""

    code = "too_many_invitations"


class InvitationExpired(Conflict):
    """The invitation is older than seven days."""

    code = "invitation_expired"


class OtherAddress(Conflict):
    """The signed-in user does not own the invited address."""

    code = "other_address"


class SignInFirst(Conflict):
    """The invited address has a login, and its user is not signed in."""

    code = "sign_in_first"


def invite(  # noqa: PLR0913 - the fields of an invitation, all by keyword
    actor: Actor,
    *,
    account: Account,
    email: str,
    role: str,
    now: datetime,
    name: str = "",
    limit_services: bool = False,
    services: Mapping[str, str] | None = None,
) -> Invitation:
    """Invite an email address to the account; with limited access, `services` maps ids to levels.

    `name` is proposed to a new user. The invitation is valid for seven days. Superusers invite
    every role; engineers with access to all services invite engineers and users. Raises Forbidden,
    Invalid, AlreadyMember, AlreadyInvited and TooManyInvitations. Notes member.invited; the email
    is sent after commit.
    """
    email = cleaned_email(email)
    name = cleaned_name(name) if name else ""
    levels = _checked_levels(
        role, limit_services=limit_services, services=services or {}
    )
    permission = _permission_to_invite(role)
    with recorded_change(actor, permission, on=account, now=now) as trail:
        require_inviter(actor, account)
        service_access.services_in(account.pk, levels)
        _require_not_member(account, email)
        _replace_expired(account, email, now=trail.now)
        _require_within_limits(account, email, now=trail.now)
        invitation = offer_membership(
            sender=actor,
            account=account,
            email=email,
            role=role,
            name=name,
            limit_services=limit_services,
            services=levels,
            now=trail.now,
        )
        note_invited(trail, invitation)
    return invitation


def require_inviter(inviter: Actor, account: Account) -> None:
    """Raise Forbidden unless a member with access to all services acts, who can invite someone."""
    able = _able_to_invite(account.pk, Role.USER)
    if not able.filter(user_id=inviter.user_id).exists():
        raise Forbidden(
            "Only people with access to all services can invite others. Ask a superuser."
        )


def _permission_to_invite(role: str) -> Permission:
    if role in ROLES_ENGINEERS_INVITE:
        return Permission.MEMBER_INVITE_ENGINEERS
    return Permission.MEMBER_INVITE


def _able_to_invite(account_id: str, role: str) -> "QuerySet[Membership]":
    """Return the members who can invite a role; no one gives more access than they have."""
    return members_with(_permission_to_invite(role), account_id).exclude(
        limit_services=True, role__in=ROLES_WITH_LIMITED_ACCESS
    )


def _valid_until(invitation: Invitation) -> str:
    """Return until when an invitation is valid, as a user reads times; of others, in the account's zone."""
    account_zone = invitation.account.time_zone
    user = user_with_email(invitation.email)
    choices = (user.date_format, user.time_zone) if user else ("", "")
    with read_as(*choices, account_zone):
        return minute_text(invitation.expires_at)


def offer_membership(  # noqa: PLR0913 - the fields of an invitation, all by keyword
    *,
    sender: Actor,
    account: Account,
    email: str,
    role: str,
    now: datetime,
    name: str = "",
    limit_services: bool = False,
    services: Mapping[str, str] | None = None,
    sent_before: Invitation | None = None,
) -> Invitation:
    """Create an invitation and queue its email, within the caller's `recorded_change`.

    If staff send an invitation again, the member who sent it before remains the inviter.
    """
    invited_by, inviter_id = sender.words, sender.user_id or None
    if sender.type is ActorType.STAFF:
        inviter_id = None
        if sent_before is not None:
            invited_by, inviter_id = sent_before.invited_by, sent_before.inviter_id
    invitation = Invitation.objects.create(
        account=account,
        email=email,
        name=name,
        role=role,
        limit_services=limit_services,
        services=services or {},
        invited_by=invited_by,
        inviter_id=inviter_id,
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
    )
    queue_mail(
        account=account,
        to=email,
        subject=f"Invitation to {account.name}",
        body=(
            f"{invited_by} invited you to join {account.name} on Tollgate. "
            f"Your role will be {role}.\n\n"
            f"Accept the invitation (valid until {_valid_until(invitation)}):"
            f"\n\n{LINK}\n\n"
            "If you weren't expecting this, you can ignore this email.\n"
        ),
        now=now,
        invitation=invitation,
    )
    return invitation


def note_invited(trail: Trail, invitation: Invitation) -> None:
    """Note member.invited in the chain of the invitation's account."""
    access = "chosen services" if invitation.limit_services else "all services"
    trail.note(
        Event.MEMBER_INVITED,
        target=("invitation", invitation.pk, masked(invitation.email)),
        after={"role": invitation.role, "services": access} | invitation.services,
        account_id=invitation.account_id,
    )


def resend_invitation(
    actor: Actor, *, invitation: Invitation, now: datetime
) -> Invitation:
    """Send an invitation again with a new link, valid for seven days; the old link ends.

    Also an expired invitation. It counts as a new one for the limits. Raises Forbidden, NotFound,
    InvitationUsed, InvitationRevoked, InviterWithoutRight and TooManyInvitations. Notes
    invitation.resent; the email is sent after commit.
    """
    with recorded_change(
        actor, Permission.INVITATION_RESEND, on=invitation, now=now
    ) as trail:
        old = _locked(invitation)
        _require_unused(old)
        _require_within_limits(old.account, old.email, now=trail.now)
        old.revoked_at = trail.now
        old.save(update_fields=["revoked_at"])
        new = offer_membership(
            sender=actor,
            account=old.account,
            email=old.email,
            role=old.role,
            name=old.name,
            limit_services=old.limit_services,
            services=old.services,
            sent_before=old,
            now=trail.now,
        )
        require_acceptable(new, now=trail.now)
        trail.note(
            Event.INVITATION_RESENT,
            target=("invitation", new.pk, masked(new.email)),
            before={
                "invitation": old.pk,
                "expires_at": old.expires_at.isoformat(),
            },
            after={"invitation": new.pk, "expires_at": new.expires_at.isoformat()},
        )
    return new


def revoke_invitation(actor: Actor, *, invitation: Invitation, now: datetime) -> None:
    """Withdraw an invitation that is not accepted yet.

    Raises Forbidden, NotFound, InvitationUsed, InvitationRevoked. Notes invitation.revoked.
    """
    with recorded_change(
        actor, Permission.MEMBER_REMOVE, on=invitation, now=now
    ) as trail:
        offered = _locked(invitation)
        _require_unused(offered)
        offered.revoked_at = trail.now
        offered.save(update_fields=["revoked_at"])
        trail.note(
            Event.INVITATION_REVOKED,
            target=("invitation", offered.pk, masked(offered.email)),
            before={"role": offered.role},
        )


def accept_invitation(
    context: Context,
    *,
    invitation: Invitation,
    user: User | None,
    now: datetime,
    name: str = "",
    password: str = "",
) -> Membership:
    """Join the account: as the signed-in `user`, or as a new one with a name and a password.

    The user is not a member yet, so the invitation is their permission, and the function takes a
    context instead of an actor. Raises NotFound, InvitationUsed, InvitationRevoked,
    InvitationExpired, InviterWithoutRight, OtherAddress, SignInFirst, AlreadyMember, and Invalid
    for an invalid name or password. Notes member.joined, and user.created for a new user.
    """
    new_user = None
    if user is None:
        if user_with_email(invitation.email) is not None:
            raise SignInFirst(
                "You already have a login. Sign in to accept the invitation."
            )
        new_user = validate_new_user(
            email=invitation.email, name=name, password=password
        )
        # The API shows an invited user under the invitation's id; it stays the same.
        user = User(id=invitation.pk, email=new_user.email, name=new_user.name)
    actor = _joining(context, user)
    with recorded_change(
        actor, Permission.MEMBER_INVITE, on=invitation, now=now
    ) as trail:
        offered = _locked(invitation)
        require_acceptable(offered, now=trail.now)
        if new_user is not None:
            user = add_user(new_user, now=trail.now, user_id=user.pk)
            trail.note(Event.USER_CREATED, target=("user", user.pk, user.name))
        require_own_address(offered, user)
        member = _create_membership(offered, user, now=trail.now)
        offered.accepted_at = trail.now
        offered.save(update_fields=["accepted_at"])
        trail.note(
            Event.MEMBER_JOINED,
            target=("user", user.pk, str(user)),
            after={"role": member.role},
        )
    return member


def require_acceptable(invitation: Invitation, *, now: datetime) -> None:
    """Raise InvitationUsed, -Revoked, -Expired or InviterWithoutRight if it cannot be accepted."""
    _require_unused(invitation)
    if now >= invitation.expires_at:
        raise InvitationExpired(
            f"This invitation has expired. Ask {invitation.invited_by} to send it again."
        )
    able = _able_to_invite(invitation.account_id, invitation.role)
    inviter_id = invitation.inviter_id
    if inviter_id and not able.filter(user_id=inviter_id).exists():
        raise InviterWithoutRight(
            f"{invitation.invited_by} can no longer invite people to this account. "
            "Ask one of its superusers for a new invitation."
        )


def _joining(context: Context, user: User) -> Actor:
    return Actor(
        ActorType.SYSTEM,
        JOINING,
        str(user),
        user_id=user.pk,
        email=user.email,
        context=context,
    )


def _create_membership(offered: Invitation, user: User, *, now: datetime) -> Membership:
    if Membership.objects.filter(account_id=offered.account_id, user=user).exists():
        raise AlreadyMember("You are already a member of this account.")
    member = Membership.objects.create(
        account_id=offered.account_id,
        user=user,
        role=offered.role,
        limit_services=offered.limit_services,
        created_at=now,
        updated_at=now,
    )
    # A service deleted since the invitation is left out.
    for service in account_services(offered.account_id).filter(
        pk__in=list(offered.services)
    ):
        service_access.set_access(
            user, service, AccessLevel(offered.services[service.pk])
        )
    return member


def _checked_levels(
    role: str, *, limit_services: bool, services: Mapping[str, str]
) -> dict[str, str]:
    known = service_access.known_role(role)
    if limit_services:
        service_access.require_limitable(known, field="limit_services")
    service_access.require_limit(limited=limit_services, services=services)
    unknown = sorted(set(services.values()) - set(AccessLevel))
    if unknown:
        raise Invalid(f"Unknown access level: {unknown[0]}.", field="services")
    return {key: str(level) for key, level in services.items()}


def _require_not_member(account: Account, email: str) -> None:
    person = user_with_email(email)
    if person and Membership.objects.filter(account=account, user=person).exists():
        raise AlreadyMember(f"{person} is already a member of {account.name}.")


def _replace_expired(account: Account, email: str, *, now: datetime) -> None:
    """Withdraw the address's expired invitation; raise AlreadyInvited if it is not expired."""
    pending = Invitation.objects.filter(
        account=account, email=email, accepted_at=None, revoked_at=None
    )
    if pending.filter(expires_at__gt=now).exists():
        raise AlreadyInvited(
            f"{email} already has a pending invitation. Withdraw it first."
        )
    pending.update(revoked_at=now)


def _require_within_limits(account: Account, email: str, *, now: datetime) -> None:
    today = Invitation.objects.filter(created_at__gt=now - timedelta(days=1))
    if today.filter(account=account).count() >= MAX_INVITATIONS_PER_DAY:
        raise TooManyInvitations(
            f"{account.name} has sent {MAX_INVITATIONS_PER_DAY} invitations in 24 hours. "
            "Try again tomorrow."
        )
    if today.filter(email=email).count() >= MAX_PER_ADDRESS_AND_DAY:
        raise TooManyInvitations(
            "This address has had too many invitations in 24 hours. Try again tomorrow."
        )


def _locked(invitation: Invitation) -> Invitation:
    offered = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
    if offered is None:
        raise NotFound(NO_SUCH_INVITATION)
    return offered


def _require_unused(invitation: Invitation) -> None:
    if invitation.accepted_at is not None:
        raise InvitationUsed("This invitation has already been used.")
    if invitation.revoked_at is not None:
        raise InvitationRevoked("This invitation was withdrawn.")


def require_own_address(invitation: Invitation, user: User) -> None:
    """Raise OtherAddress unless the invited address is the user's."""
    owner = user_with_email(invitation.email)
    if owner is None or owner.pk != user.pk:
        raise OtherAddress(
            f"This invitation is for {masked(invitation.email)}; you are signed in with another "
            "address."
        )
