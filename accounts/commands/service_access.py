"""Checks and writes roles' access to services (R21), within the caller's `recorded_change`."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Model
from guardian.shortcuts import assign_perm

from accounts.errors import Invalid, NotFound
from accounts.models import Membership, User
from accounts.queries import account_services
from accounts.roles import ROLES_WITH_LIMITED_ACCESS, AccessLevel, Role
from accounts.service_access import levels_of, permission_rows, service_model


def known_role(role: str) -> Role:
    """Return the role of a name; raises Invalid for an unknown one."""
    if role not in list(Role):
        names = ", ".join(each.value for each in Role)
        raise Invalid(f"Unknown role. Choose one of: {names}.", field="role")
    return Role(role)


def require_limit(*, limited: bool, services: Collection[str]) -> None:
    """Raise Invalid if services are chosen but access is not limited to them."""
    if services and not limited:
        raise Invalid(
            "To choose services, limit access to chosen services.", field="services"
        )


def require_limitable(role: Role, *, field: str) -> None:
    """Raise Invalid, at a field, for a role that cannot be limited to chosen services."""
    if role not in ROLES_WITH_LIMITED_ACCESS:
        raise Invalid(
            "Only engineers and users can be limited to chosen services.", field=field
        )


def services_in(account_id: str, service_ids: Collection[str]) -> list[Any]:
    """Return an account's services with these ids; raises NotFound if one is missing."""
    rows = list(account_services(account_id).filter(pk__in=list(service_ids)))
    if len(rows) != len(service_ids):
        raise NotFound("Service not found in this account.")
    return rows


def levels_in_account(membership: Membership) -> dict[str, AccessLevel]:
    """Return a member's access levels by service id, on the services of this account only."""
    services = account_services(membership.account_id).values_list("pk", flat=True)
    levels = levels_of(membership.user_id)
    return {key: levels[key] for key in sorted(levels.keys() & set(services))}


def set_access(user: User, service: Model, level: AccessLevel) -> None:
    """Give a user one level on a service, in place of any other."""
    remove_access(user.pk, [service.pk])
    assign_perm(service_model().permission(level), user, service)


def remove_access(user_id: str, service_ids: Iterable[str]) -> None:
    """Remove a user's levels on services."""
    permission_rows().filter(user_id=user_id, object_pk__in=list(service_ids)).delete()
