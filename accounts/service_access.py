"""Services as accounts knows them, and who has which access level on one (R21).

The app that has the services registers their model at start. Access levels are object permissions
of django-guardian; this module and `commands.service_access` are the only ones that know it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import FilteredRelation, Model, Q, QuerySet
from guardian.models import UserObjectPermission

from accounts.roles import AccessLevel


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """The model of services, and its permission for each access level.

    The model has the fields `account_id`, `name` and `deleted_at`.
    """

    model: type[Model]
    codenames: Mapping[AccessLevel, str]

    def permission(self, level: AccessLevel) -> str:
        """Return a level's permission as guardian names it: with the app's label."""
        return f"{self.model._meta.app_label}.{self.codenames[level]}"  # noqa: SLF001 - Django's own name


_registered: list[ServiceModel] = []


def register(model: type[Model], codenames: Mapping[AccessLevel, str]) -> None:
    """Name the model of services; called once, when the app that has it is ready."""
    _registered[:] = [ServiceModel(model, codenames)]


def service_model() -> ServiceModel:
    """Return what was registered; raises LookupError if no app has services."""
    if not _registered:
        raise LookupError("No app has registered the model of services.")
    return _registered[0]


def existing_services() -> QuerySet[Any]:
    """Return all services that are not deleted, of every account."""
    return service_model().model._default_manager.filter(deleted_at=None)  # noqa: SLF001 - Django's own name


def permission_rows() -> "QuerySet[UserObjectPermission]":
    """Return guardian's rows about services: one per user and service."""
    registered = service_model()
    meta = registered.model._meta  # noqa: SLF001 - Django's own name
    rows: QuerySet[UserObjectPermission] = UserObjectPermission.objects.filter(
        permission__content_type__app_label=meta.app_label,
        permission__content_type__model=meta.model_name,
        permission__codename__in=list(registered.codenames.values()),
    )
    return rows


# The columns of `with_levels`, which `levels_in` reads.
LEVEL_COLUMNS: Final = ("granted__object_pk", "granted__permission__codename")


def with_levels(memberships: "QuerySet[Any]") -> "QuerySet[Any]":
    """Join memberships with their user's access levels, if access is limited: a row for each level.

    Only services have object permissions, and their ids are like no others.
    """
    granted = FilteredRelation(
        "user__userobjectpermission", condition=Q(limit_services=True)
    )
    joined: QuerySet[Any] = memberships.annotate(granted=granted)
    return joined


def levels_in(rows: Iterable[Sequence[Any]]) -> dict[str, AccessLevel]:
    """Return the access levels in rows of LEVEL_COLUMNS, by service id."""
    levels = {name: level for level, name in service_model().codenames.items()}
    return {service: levels[name] for service, name in rows if name in levels}


def levels_of(user_id: str) -> dict[str, AccessLevel]:
    """Return a user's access levels by service id, in all accounts. One query."""
    rows = permission_rows().filter(user_id=user_id)
    return {service_id: level for _, service_id, level in _read(rows)}


def levels_on(
    services: "QuerySet[Any]", user_ids: Iterable[str] | None = None
) -> Iterator[tuple[str, str, AccessLevel]]:
    """Return (user id, service id, level) for the access levels on some services. One query.

    `services` selects their ids. Those of some users only, if `user_ids` is given.
    """
    rows = permission_rows().filter(object_pk__in=services)
    if user_ids is not None:
        rows = rows.filter(user_id__in=list(user_ids))
    return _read(rows)


def users_with_access(
    service_ids: "QuerySet[Any] | Collection[str]", levels: Collection[AccessLevel]
) -> "QuerySet[UserObjectPermission, str]":
    """Return the ids of the users who have one of the levels on some service, as a subquery."""
    codenames = [service_model().codenames[level] for level in levels]
    rows = permission_rows().filter(
        object_pk__in=service_ids, permission__codename__in=codenames
    )
    return rows.values_list("user_id", flat=True)


def _read(
    rows: "QuerySet[UserObjectPermission]",
) -> Iterator[tuple[str, str, AccessLevel]]:
    levels = {name: level for level, name in service_model().codenames.items()}
    columns = rows.values_list("user_id", "object_pk", "permission__codename")
    for user_id, service_id, codename in columns:
        yield user_id, service_id, levels[codename]
