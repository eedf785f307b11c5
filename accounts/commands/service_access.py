"""Gives and removes access levels on services (R21), within the caller's `recorded_change`."""

from collections.abc import Iterable

from django.db.models import Model
from guardian.shortcuts import assign_perm

from accounts.models import Membership, User
from accounts.queries import account_services
from accounts.roles import AccessLevel
from accounts.service_access import levels_of, permission_rows, service_model


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
