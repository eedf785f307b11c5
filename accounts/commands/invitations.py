"""Invitations: a seat offered by mail, taken once, within a week, by who owns the address."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from accounts.actor import Actor, ActorType, Context
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.commands import service_access
from accounts.commands.mail import LINK, queue_mail
from accounts.commands.users import (
    add_person,
    cleaned_email,
    user_with_email,
    validate_new_user,
)
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import Account, Invitation, Membership, User
from accounts.queries import NO_SUCH_INVITATION, account_services
from accounts.roles import ROLES_WITH_LIMITED_ACCESS, AccessLevel, Permission, Role

LIFETIME: Final = timedelta(days=7)
# The name under which the policy lists what joining may do.
JOINING: Final = "accept-invitation"


class AlreadyMember(Conflict):
    """The person is in the account already."""

    code = "already_member"


class AlreadyInvited(Conflict):
    """The address has an invitation that can still be accepted."""

    code = "already_invited"


class InvitationUsed(Conflict):
    """Somebody has joined by this invitation."""

    code = "invitation_used"


class InvitationRevoked(Conflict):
    """The invitation was withdrawn."""

    code = "invitation_revoked"


class InvitationExpired(Conflict):
    """The invitation is older than a week."""

    code = "invitation_expired"


class OtherAddress(Conflict):
    """Whoever is signed in does not own the address that was invited."""

    code = "other_address"


class SignInFirst(Conflict):
    """The address belongs to somebody who has not signed in."""

    code = "sign_in_first"


def masked(email: str) -> str:
    """Return an address as the trail may keep it: enough to recognise, not enough to write to."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}…@{domain}"


def invite(
    actor: Actor,
    *,
    account: Account,
    email: str,
    role: str,
    now: datetime,
    limit_services: bool = False,
    services: Mapping[str, str] | None = None,
) -> Invitation:
    """Offer a seat by mail; `services` maps the ids of services to levels, where access is limited.

    The invitation lasts seven days. Raises Forbidden, Invalid, AlreadyMember and AlreadyInvited.
    Notes member.invited; the mail is sent after commit.
    """
    email = cleaned_email(email)
    seat = _checked_seat(role, limit_services=limit_services, services=services or {})
    with recorded_change(actor, Permission.MEMBER_INVITE, on=account, now=now) as trail:
        _require_services(account, seat)
        _require_not_member(account, email)
        _replace_expired(account, email, now=now)
        invitation = Invitation.objects.create(
            account=account,
            email=email,
            role=role,
            limit_services=limit_services,
            services=seat,
            invited_by=actor.label,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        queue_mail(
            account=account,
            to=email,
            subject=f"Invitation to {account.name}",
            body=(
                f"{actor.label} invites you to {account.name} as {role}.\n\n"
                f"Join here, within seven days:\n\n{LINK}\n\n"
                "If you expected no invitation, do nothing: it ends by itself.\n"
            ),
            now=now,
            invitation=invitation,
        )
        access = "chosen services" if limit_services else "all services"
        trail.note(
            Event.MEMBER_INVITED,
            target=("invitation", invitation.pk, masked(email)),
            after={"role": role, "services": access} | seat,
        )
    return invitation


def revoke_invitation(actor: Actor, *, invitation: Invitation, now: datetime) -> None:
    """Withdraw an invitation that nobody has accepted.

    Raises Forbidden, NotFound, InvitationUsed, InvitationRevoked. Notes invitation.revoked.
    """
    with recorded_change(
        actor, Permission.MEMBER_INVITE, on=invitation, now=now
    ) as trail:
        offered = _locked(invitation)
        _require_unused(offered)
        offered.revoked_at = now
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
    """Take the seat: as `user`, who is signed in, or as somebody new with a name and a password.

    Whoever joins is no member yet, so no right of theirs can be asked for: the invitation is the
    right, and a context stands in the actor's place. Raises NotFound, InvitationUsed,
    InvitationRevoked, InvitationExpired, OtherAddress, SignInFirst, AlreadyMember, and Invalid for
    a name or password that will not do. Notes member.joined, and user.created for somebody new.
    """
    newcomer_ = None
    if user is None:
        if user_with_email(invitation.email) is not None:
            raise SignInFirst(
                "You have a sign-in already. Sign in to accept the invitation."
            )
        newcomer_ = validate_new_user(
            email=invitation.email, name=name, password=password
        )
        user = User(email=newcomer_.email, name=newcomer_.name)
    actor = _joining(context, user)
    with recorded_change(
        actor, Permission.MEMBER_INVITE, on=invitation, now=now
    ) as trail:
        offered = _locked(invitation)
        require_acceptable(offered, now=now)
        if newcomer_ is not None:
            user = add_person(newcomer_, now=now, user_id=user.pk)
            trail.note(Event.USER_CREATED, target=("user", user.pk, user.name))
        _require_own_address(offered, user)
        member = _create_membership(offered, user, now=now)
        offered.accepted_at = now
        offered.save(update_fields=["accepted_at"])
        trail.note(
            Event.MEMBER_JOINED,
            target=("user", user.pk, str(user)),
            after={"role": member.role},
        )
    return member


def require_acceptable(invitation: Invitation, *, now: datetime) -> None:
    """Raise what stands against accepting an invitation at that moment, if anything does."""
    _require_unused(invitation)
    if now >= invitation.expires_at:
        raise InvitationExpired(
            "This invitation has expired: it was good for seven days. "
            f"Ask {invitation.invited_by} for a new one."
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
        raise AlreadyMember("You are in this account already.")
    member = Membership.objects.create(
        account_id=offered.account_id,
        user=user,
        role=offered.role,
        limit_services=offered.limit_services,
        created_at=now,
        updated_at=now,
    )
    # A service may have been deleted since; what is gone is not granted.
    for service in account_services(offered.account_id).filter(
        pk__in=list(offered.services)
    ):
        service_access.set_access(
            user, service, AccessLevel(offered.services[service.pk])
        )
    return member


def _checked_seat(
    role: str, *, limit_services: bool, services: Mapping[str, str]
) -> dict[str, str]:
    if role not in list(Role):
        words = ", ".join(each.value for each in Role)
        raise Invalid(f"There is no such role. The roles are {words}.", field="role")
    if limit_services and Role(role) not in ROLES_WITH_LIMITED_ACCESS:
        raise Invalid(
            "Only engineers and users can be limited to chosen services.",
            field="limit_services",
        )
    if services and not limit_services:
        raise Invalid(
            "Choose services only where access is limited to them.", field="services"
        )
    unknown = sorted(set(services.values()) - set(AccessLevel))
    if unknown:
        raise Invalid(
            f"There is no such level of access: {unknown[0]}.", field="services"
        )
    return {key: str(level) for key, level in services.items()}


def _require_services(account: Account, seat: Mapping[str, str]) -> None:
    found = account_services(account.pk).filter(pk__in=list(seat)).count()
    if found != len(seat):
        raise NotFound("There is no such service in this account.")


def _require_not_member(account: Account, email: str) -> None:
    person = user_with_email(email)
    if person and Membership.objects.filter(account=account, user=person).exists():
        raise AlreadyMember(f"{person} is in {account.name} already.")


def _replace_expired(account: Account, email: str, *, now: datetime) -> None:
    """Withdraw an invitation that has expired; refuse where one still holds."""
    held = Invitation.objects.filter(
        account=account, email=email, accepted_at=None, revoked_at=None
    )
    if held.filter(expires_at__gt=now).exists():
        raise AlreadyInvited(
            f"{email} has an open invitation. Withdraw it first to invite them differently."
        )
    held.update(revoked_at=now)


def _locked(invitation: Invitation) -> Invitation:
    offered = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
    if offered is None:
        raise NotFound(NO_SUCH_INVITATION)
    return offered


def _require_unused(invitation: Invitation) -> None:
    if invitation.accepted_at is not None:
        raise InvitationUsed("This invitation was accepted; it works once.")
    if invitation.revoked_at is not None:
        raise InvitationRevoked("This invitation was withdrawn.")


def _require_own_address(invitation: Invitation, user: User) -> None:
    owner = user_with_email(invitation.email)
    if owner is None or owner.pk != user.pk:
        raise OtherAddress(
            f"This invitation is for {masked(invitation.email)}; you are signed in with another "
            "address."
        )
