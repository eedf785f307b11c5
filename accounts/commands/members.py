"""Members: roles, access to services, removal. A change counts on the next request (R20)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands import service_access
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import ApiToken, Membership
from accounts.queries import NO_SUCH_MEMBER, account_services, other_superusers
from accounts.roles import ROLES_WITH_LIMITED_ACCESS, AccessLevel, Permission, Role


class LastSuperuser(Conflict):
    """The account would be left without a superuser (R22)."""

    code = "last_superuser"


def change_role(
    actor: Actor, *, membership: Membership, role: str, now: datetime
) -> None:
    """Give a member another role.

    Raises Forbidden, NotFound, Invalid for an unknown role, and LastSuperuser (R22). Notes
    member.role_changed; the role one has already is no change.
    """
    new = _known_role(role)
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = _locked(membership)
        old = Role(member.role)
        if new is old:
            raise Unchanged
        _require_another_superuser(member)
        member.role, member.updated_at = new.value, now
        member.save(update_fields=["role", "updated_at"])
        trail.note(
            Event.MEMBER_ROLE_CHANGED,
            target=_target(member),
            before={"role": old.value},
            after={"role": new.value},
        )


def limit_services(
    actor: Actor,
    *,
    membership: Membership,
    limited: bool,
    services: Mapping[str, AccessLevel],
    now: datetime,
) -> None:
    """Limit a member to chosen services, each with a level, or open all to them again (R21).

    Replaces the whole set in one change. Raises Forbidden, NotFound also for a service of another
    account, and Invalid for a role that cannot be limited, or services named beside no limit.
    Notes member.access_limited or member.access_unlimited, with each service's level.
    """
    if services and not limited:
        raise Invalid(
            "Choose services only where access is limited to them.", field="services"
        )
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = _locked(membership)
        if limited:
            _require_limitable(member)
        rows = _services_of(member, services)
        held = service_access.levels_in_account(member)
        before = _access(limited=member.limit_services, levels=held)
        after = _access(limited=limited, levels=services)
        if before == after:
            raise Unchanged
        service_access.remove_access(member.user_id, held)
        for row in rows:
            service_access.set_access(member.user, row, services[row.pk])
        member.limit_services, member.updated_at = limited, now
        member.save(update_fields=["limit_services", "updated_at"])
        event = (
            Event.MEMBER_ACCESS_LIMITED if limited else Event.MEMBER_ACCESS_UNLIMITED
        )
        trail.note(event, target=_target(member), before=before, after=after)


def grant_service(
    actor: Actor,
    *,
    membership: Membership,
    service_id: str,
    level: AccessLevel,
    now: datetime,
) -> None:
    """Give a member a level on one service; it counts while their access is limited (R21).

    Raises Forbidden, and NotFound also for a service of another account. Notes
    service_access.granted or service_access.changed; the level one has already is no change.
    """
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = _locked(membership)
        (service,) = _services_of(member, [service_id])
        held = service_access.levels_in_account(member).get(service_id)
        if held is level:
            raise Unchanged
        service_access.set_access(member.user, service, level)
        trail.note(
            Event.SERVICE_ACCESS_CHANGED if held else Event.SERVICE_ACCESS_GRANTED,
            target=_target(member),
            service_id=service_id,
            before={"access": held.value} if held else None,
            after={"access": level.value},
        )


def revoke_service(
    actor: Actor, *, membership: Membership, service_id: str, now: datetime
) -> None:
    """Take a member's access to one service.

    Raises Forbidden, and NotFound where there is no such grant. Notes service_access.revoked.
    """
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = _locked(membership)
        held = service_access.levels_in_account(member).get(service_id)
        if held is None:
            raise NotFound("This person has no access of their own to this service.")
        service_access.remove_access(member.user_id, [service_id])
        trail.note(
            Event.SERVICE_ACCESS_REVOKED,
            target=_target(member),
            service_id=service_id,
            before={"access": held.value},
        )


def remove_member(actor: Actor, *, membership: Membership, now: datetime) -> None:
    """Take somebody out of the account, with their grants and their tokens there; ends nothing else.

    Raises Forbidden, NotFound and LastSuperuser (R22). Notes member.removed, and token.revoked
    for each token.
    """
    with recorded_change(
        actor, Permission.MEMBER_MANAGE, on=membership, now=now
    ) as trail:
        member = _locked(membership)
        _require_another_superuser(member)
        held = service_access.levels_in_account(member)
        service_access.remove_access(member.user_id, held)
        tokens = ApiToken.objects.select_for_update().filter(
            account_id=member.account_id, user_id=member.user_id, revoked_at=None
        )
        for token in tokens.order_by("pk"):
            token.revoked_at = now
            token.save(update_fields=["revoked_at"])
            trail.note(Event.TOKEN_REVOKED, target=("token", token.pk, token.name))
        trail.note(
            Event.MEMBER_REMOVED,
            target=_target(member),
            before={"role": member.role}
            | _access(limited=member.limit_services, levels=held),
        )
        member.delete()


def _known_role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        words = ", ".join(each.value for each in Role)
        raise Invalid(
            f"There is no such role. The roles are {words}.", field="role"
        ) from error


def _locked(membership: Membership) -> Membership:
    """Read the membership anew behind the door, where nobody else of the account is changing it."""
    # The table has no other writer than these commands, but a lock says so to the database.
    member = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(pk=membership.pk)
        .first()
    )
    if member is None:
        raise NotFound(NO_SUCH_MEMBER)
    return member


def _require_another_superuser(member: Membership) -> None:
    if member.role == Role.SUPERUSER and not other_superusers(member).exists():
        raise LastSuperuser(
            f"{member.user} is the account's only superuser, and an account always keeps at least "
            "one. Make somebody else a superuser first."
        )


def _require_limitable(member: Membership) -> None:
    if Role(member.role) not in ROLES_WITH_LIMITED_ACCESS:
        raise Invalid(
            "Only engineers and users can be limited to chosen services; "
            f"{member.user} is {member.role}.",
            field="limited",
        )


def _services_of(member: Membership, service_ids: Collection[str]) -> list[Any]:
    """Return the account's services of these ids; raises NotFound if one is missing."""
    rows = account_services(member.account_id).filter(pk__in=list(service_ids))
    if len(rows) != len(service_ids):
        raise NotFound("There is no such service in this account.")
    return list(rows)


def _access(*, limited: bool, levels: Mapping[str, AccessLevel]) -> dict[str, object]:
    words: dict[str, object] = {
        "services": "chosen services" if limited else "all services"
    }
    return words | {key: level.value for key, level in levels.items()}


def _target(member: Membership) -> tuple[str, str, str]:
    return ("user", member.user_id, str(member.user))
