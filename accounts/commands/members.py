"""Members: roles, access to services, removal. A change takes effect on the next request (R20)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands import service_access
from accounts.commands.users import masked
from accounts.errors import Conflict, NotFound
from accounts.models import Account, ApiToken, Membership
from accounts.queries import (
    NO_SUCH_MEMBER,
    is_only_superuser,
    open_invitations_of,
)
from accounts.roles import ROLE_PERMISSIONS, AccessLevel, Permission, Role


class LastSuperuser(Conflict):
    """The account would be left without a superuser (R22)."""

    code = "last_superuser"


def change_role(
    actor: Actor, *, membership: Membership, role: str, now: datetime
) -> None:
    """Give a member another role.

    Open invitations of a member who can no longer invite are withdrawn. Raises Forbidden, NotFound,
    Invalid for an unknown role, and LastSuperuser (R22). Notes member.role_changed, and
    invitation.revoked for each invitation; the same role changes nothing.
    """
    new = service_access.known_role(role)
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        old = Role(member.role)
        if new is old:
            raise Unchanged
        require_another_superuser(member)
        member.role, member.updated_at = new.value, trail.now
        member.save(update_fields=["role", "updated_at"])
        trail.note(
            Event.MEMBER_ROLE_CHANGED,
            target=_target(member),
            before={"role": old.value},
            after={"role": new.value},
        )
        if Permission.MEMBER_INVITE not in ROLE_PERMISSIONS[new]:
            withdraw_invitations(trail, member, now=trail.now)


def limit_services(
    actor: Actor,
    *,
    membership: Membership,
    limited: bool,
    services: Mapping[str, AccessLevel],
    now: datetime,
) -> None:
    """Limit a member to chosen services, each with a level, or give access to all (R21).

    `services` maps service ids to levels and replaces all earlier levels. Raises Forbidden,
    NotFound (also for a service of another account), and Invalid for a role that cannot be limited
    or for services without a limit. Notes member.access_limited or member.access_unlimited, and
    invitation.revoked for what a newly limited member had offered.
    """
    service_access.require_limit(limited=limited, services=services)
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        if limited:
            service_access.require_limitable(Role(member.role), field="limited")
        rows = service_access.services_in(member.account_id, services)
        held = service_access.levels_in_account(member)
        before = _access(limited=member.limit_services, levels=held)
        after = _access(limited=limited, levels=services)
        if before == after:
            raise Unchanged
        service_access.remove_access(member.user_id, held)
        for row in rows:
            service_access.set_access(member.user, row, services[row.pk])
        member.limit_services, member.updated_at = limited, trail.now
        member.save(update_fields=["limit_services", "updated_at"])
        event = (
            Event.MEMBER_ACCESS_LIMITED if limited else Event.MEMBER_ACCESS_UNLIMITED
        )
        trail.note(event, target=_target(member), before=before, after=after)
        if limited:
            withdraw_invitations(trail, member, now=trail.now)


@dataclass(frozen=True, slots=True)
class MemberService:
    """A member and a service that they can have an access level on."""

    membership: Membership
    service_id: str


def grant_services(
    actor: Actor,
    *,
    account: Account,
    levels: Mapping[MemberService, AccessLevel],
    now: datetime,
) -> None:
    """Give members a level on services, all or none; it takes effect while access is limited (R21).

    Raises Forbidden, and NotFound (also for a service or a member of another account). Notes
    service_access.granted or service_access.changed for each; the same level changes nothing.
    """
    with recorded_change(actor, Permission.MEMBER_MANAGE, on=account, now=now) as trail:
        for place in _in_order(levels):
            member, level = _member_in(account, place), levels[place]
            (service,) = service_access.services_in(account.pk, [place.service_id])
            held = service_access.levels_in_account(member).get(place.service_id)
            if held is level:
                continue
            service_access.set_access(member.user, service, level)
            trail.note(
                Event.SERVICE_ACCESS_CHANGED if held else Event.SERVICE_ACCESS_GRANTED,
                target=_target(member),
                service_id=place.service_id,
                before={"access": held.value} if held else None,
                after={"access": level.value},
            )
        if not trail.entries[account.pk]:
            raise Unchanged


def revoke_services(
    actor: Actor, *, account: Account, held: Iterable[MemberService], now: datetime
) -> None:
    """Remove members' access to services, all or none.

    Raises Forbidden, and NotFound if a member has no access to one. Notes service_access.revoked
    for each.
    """
    with recorded_change(actor, Permission.MEMBER_MANAGE, on=account, now=now) as trail:
        for place in _in_order(held):
            member = _member_in(account, place)
            level = service_access.levels_in_account(member).get(place.service_id)
            if level is None:
                raise NotFound("This member has no access level on this service.")
            service_access.remove_access(member.user_id, [place.service_id])
            trail.note(
                Event.SERVICE_ACCESS_REVOKED,
                target=_target(member),
                service_id=place.service_id,
                before={"access": level.value},
            )


def remove_member(actor: Actor, *, membership: Membership, now: datetime) -> None:
    """Remove a member from the account, with their access levels, tokens and open invitations in it.

    Raises Forbidden, NotFound and LastSuperuser (R22). Notes member.removed, token.revoked for each
    token, and invitation.revoked for each invitation.
    """
    with recorded_change(
        actor, Permission.MEMBER_REMOVE, on=membership, now=now
    ) as trail:
        member = locked_member(membership)
        require_another_superuser(member)
        held = service_access.levels_in_account(member)
        service_access.remove_access(member.user_id, held)
        tokens = ApiToken.objects.select_for_update().filter(
            account_id=member.account_id, user_id=member.user_id, revoked_at=None
        )
        for token in tokens.order_by("pk"):
            token.revoked_at = trail.now
            token.save(update_fields=["revoked_at"])
            trail.note(Event.TOKEN_REVOKED, target=("token", token.pk, token.name))
        withdraw_invitations(trail, member, now=trail.now)
        trail.note(
            Event.MEMBER_REMOVED,
            target=_target(member),
            before={"role": member.role}
            | _access(limited=member.limit_services, levels=held),
        )
        member.delete()


def withdraw_invitations(trail: Trail, member: Membership, *, now: datetime) -> None:
    """Withdraw a member's open invitations, within the caller's `recorded_change`."""
    for invitation in open_invitations_of(member).select_for_update(of=("self",)):
        invitation.revoked_at = now
        invitation.save(update_fields=["revoked_at"])
        trail.note(
            Event.INVITATION_REVOKED,
            target=("invitation", invitation.pk, masked(invitation.email)),
            before={"role": invitation.role},
            account_id=member.account_id,
        )


def _in_order(places: Iterable[MemberService]) -> list[MemberService]:
    """Return each once, in the order in which memberships are locked."""
    return sorted(set(places), key=lambda each: (each.membership.pk, each.service_id))


def _member_in(account: Account, place: MemberService) -> Membership:
    """Return the membership, locked. Raises NotFound if it is gone or of another account."""
    if place.membership.account_id != account.pk:
        raise NotFound(NO_SUCH_MEMBER)
    return locked_member(place.membership)


def locked_member(membership: Membership) -> Membership:
    """Return the membership, read again and locked; raises NotFound if it is gone."""
    member = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(pk=membership.pk)
        .first()
    )
    if member is None:
        raise NotFound(NO_SUCH_MEMBER)
    return member


def require_another_superuser(member: Membership) -> None:
    """Raise LastSuperuser if the account would be left without a superuser (R22)."""
    if is_only_superuser(member):
        raise LastSuperuser(
            f"{member.user} is the only superuser. "
            "Give someone else the superuser role first."
        )


def _access(*, limited: bool, levels: Mapping[str, AccessLevel]) -> dict[str, str]:
    which = "chosen services" if limited else "all services"
    return {"services": which} | {key: level.value for key, level in levels.items()}


def _target(member: Membership) -> tuple[str, str, str]:
    return ("user", member.user_id, str(member.user))
