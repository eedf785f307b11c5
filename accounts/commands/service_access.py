"""Access to single services (R21), below the door: guardian's rows, one level a person and service."""

from collections.abc import Iterable
from typing import Any, Protocol

from guardian.models import UserObjectPermission
from guardian.shortcuts import assign_perm

from accounts.models import Membership, User
from accounts.policy import access_levels
from accounts.queries import account_services
from accounts.roles import AccessLevel


class ServiceRow(Protocol):
    """A service, as far as this storey knows one: a row of Django's with an account."""

    @property
    def pk(self) -> Any: ...
    @property
    def account_id(self) -> str: ...


def levels_of(membership: Membership) -> dict[str, AccessLevel]:
    """Return what a person is granted on this account's services; other accounts' stay out."""
    here = set(account_services(membership.account_id).values_list("pk", flat=True))
    levels = access_levels(membership.user_id)
    return {key: level for key, level in sorted(levels.items()) if key in here}


def set_access(user: User, service: ServiceRow, level: AccessLevel) -> None:
    """Give a person one level on a service, in place of any other."""
    remove_access(user.pk, [service.pk])
    # guardian asks for a model, which a protocol cannot say of itself.
    assign_perm(f"services.access_{level.value}", user, service)  # type: ignore[arg-type]


def remove_access(user_id: str, service_ids: Iterable[str]) -> None:
    """Take a person's level on services."""
    UserObjectPermission.objects.filter(
        user_id=user_id,
        object_pk__in=list(service_ids),
        permission__content_type__app_label="services",
        permission__codename__startswith="access_",
    ).delete()
