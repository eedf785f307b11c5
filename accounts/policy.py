"""The question: may this actor do this, on that? Answered with a reason. The table is `roles`.

Rights are read from the database at each question (R20): nothing of them is kept in a session,
a token or an actor.
"""

from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from django.db.models import Model, Q, QuerySet
from guardian.models import UserObjectPermission

from accounts.actor import Actor, ActorType, TokenScope
from accounts.errors import Forbidden, NotFound
from accounts.models import Account, Membership, User
from accounts.roles import (
    ABILITIES,
    LEVELS_FOR,
    READ_PERMISSIONS,
    ROLE_PERMISSIONS,
    ROLES_WITH_LIMITED_ACCESS,
    STAFF_PERMISSIONS,
    SYSTEM_PERMISSIONS,
    AccessLevel,
    Permission,
    Role,
    roles_with,
)


class Platform:
    """Stands for what belongs to no account: the catalogue, the edges, accounts to be made."""

    account_id: Final = "platform"


PLATFORM: Final = Platform()


class AccountOwned(Protocol):
    """A row that belongs to one account: a service, an enablement, a token."""

    @property
    def account_id(self) -> str: ...


Resource = Account | Platform | AccountOwned
RowT = TypeVar("RowT", bound=Model)


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer with its reason; `known` is False where not even existence may be told."""

    allowed: bool
    code: str
    reason: str
    known: bool = True


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """What the database says of an actor in one account, read once for any number of questions."""

    role: Role
    limit_services: bool
    account_name: str
    suspended: bool
    suspension_reason: str
    levels: dict[str, AccessLevel]  # by service id; only asked where access is limited


ALLOWED: Final = Decision(allowed=True, code="allowed", reason="")
STRANGER: Final = Decision(
    allowed=False,
    code="stranger",
    reason="There is no such thing in this account.",
    known=False,
)


def account_id_of(on: Resource) -> str:
    """Return the id of the account that a place belongs to; `platform` for none."""
    return on.pk if isinstance(on, Account) else on.account_id


def load_access(actor: Actor, account_id: str) -> AccountAccess | None:
    """Read the actor's standing in an account; None for a stranger. One query, two if limited."""
    if not actor.user_id or actor.account_id != account_id:
        return None
    membership = (
        Membership.objects.select_related("account")
        .filter(account_id=account_id, user_id=actor.user_id, user__is_active=True)
        .first()
    )
    if membership is None:
        return None
    limited = membership.limit_services and membership.role in ROLES_WITH_LIMITED_ACCESS
    return AccountAccess(
        role=Role(membership.role),
        limit_services=limited,
        account_name=membership.account.name,
        suspended=membership.account.suspended_at is not None,
        suspension_reason=membership.account.suspension_reason,
        levels=access_levels(actor.user_id) if limited else {},
    )


def access_levels(user_id: str) -> dict[str, AccessLevel]:
    """Return the level that a person has on each service granted to them, by service id."""
    rows = UserObjectPermission.objects.filter(
        user_id=user_id,
        permission__content_type__app_label="services",
        permission__content_type__model="service",
    )
    prefix = "access_"
    return {
        key: AccessLevel(codename.removeprefix(prefix))
        for key, codename in rows.values_list("object_pk", "permission__codename")
        if codename.startswith(prefix)
    }


def role_decision(role: Role, permission: Permission) -> Decision:
    """Answer by the table alone (gate 4)."""
    if permission in ROLE_PERMISSIONS[role]:
        return ALLOWED
    able = roles_with(permission)
    who = " and ".join(f"{name}s" for name in able) or "Only the platform's staff"
    return Decision(
        allowed=False,
        code="role",
        reason=f"Your role is {role}. {who.capitalize()} can {ABILITIES[permission]}.",
    )


def access_decision(
    here: AccountAccess, permission: Permission, service_id: str
) -> Decision:
    """Answer by per-service access alone (gate 5, R21)."""
    needed = LEVELS_FOR.get(permission)
    if needed is None or not here.limit_services:
        return ALLOWED
    level = here.levels.get(service_id)
    if level is None:
        return Decision(
            allowed=False,
            code="service",
            reason="Your access is limited to chosen services, and this is not one of them.",
        )
    if level in needed:
        return ALLOWED
    return Decision(
        allowed=False,
        code="level",
        reason=f"Your access to this service is {level.replace('_', ' ')}; "
        f"to {ABILITIES[permission]} it must be full.",
    )


def suspension_decision(here: AccountAccess, permission: Permission) -> Decision:
    """Answer by the account's state alone (gate 1): a suspended account can be read."""
    if not here.suspended or permission in READ_PERMISSIONS:
        return ALLOWED
    return Decision(
        allowed=False,
        code="suspended",
        reason=f"{here.account_name} is suspended: {here.suspension_reason}",
    )


def token_decision(
    actor: Actor, permission: Permission, service_id: str | None
) -> Decision:
    """Answer by the token's scope and its list of services; a person without one passes."""
    scope = actor.token_scope
    if scope is None:
        return ALLOWED
    carried = (
        {Permission.SERVICE_PURGE} if scope.startswith("purge") else READ_PERMISSIONS
    )
    if scope is not TokenScope.GLOBAL and permission not in carried:
        return _token_refusal(actor, permission)
    # Limited to services, it only reads the account itself, and makes or revokes its owner's tokens.
    account_wide = permission in READ_PERMISSIONS or permission is Permission.TOKEN_OWN
    covered = service_id in actor.token_services if service_id else account_wide
    if actor.token_services and not covered:
        return Decision(
            allowed=False,
            code="token_service",
            reason="This token is limited to other services.",
        )
    return ALLOWED


def _token_refusal(actor: Actor, permission: Permission) -> Decision:
    return Decision(
        allowed=False,
        code="token_scope",
        reason=f"This token's scope is {actor.token_scope}; it cannot {ABILITIES[permission]}.",
    )


def decide_with(
    actor: Actor,
    here: AccountAccess | None,
    permission: Permission,
    service_id: str | None = None,
) -> Decision:
    """Answer from a standing already read; the one order of the reasons."""
    if here is None:
        return STRANGER
    answers = [
        token_decision(actor, permission, service_id),
        role_decision(here.role, permission),
        access_decision(here, permission, service_id) if service_id else ALLOWED,
        suspension_decision(here, permission),
    ]
    return next((answer for answer in answers if not answer.allowed), ALLOWED)


def decide(actor: Actor, permission: Permission, on: Resource) -> Decision:
    """Answer whether the actor may do this on that account, row or platform; default deny."""
    if actor.type is ActorType.SYSTEM:
        return _decide_from_list(
            permission in SYSTEM_PERMISSIONS.get(actor.id, frozenset()), actor
        )
    if actor.type is ActorType.STAFF:
        staff = User.objects.filter(
            pk=actor.user_id, is_staff=True, is_active=True
        ).exists()
        return _decide_from_list(staff and permission in STAFF_PERMISSIONS, actor)
    here = load_access(actor, account_id_of(on))
    return decide_with(actor, here, permission, service_id_of(on))


def _decide_from_list(allowed: bool, actor: Actor) -> Decision:  # noqa: FBT001 - its one caller is above
    if allowed:
        return ALLOWED
    return Decision(
        allowed=False,
        code="not_listed",
        reason=f"{actor.label} is not allowed to do this.",
    )


def service_id_of(on: Resource) -> str | None:
    """Return the service that a place is or belongs to; None for the account itself."""
    if isinstance(on, Model) and on._meta.label_lower == "services.service":  # noqa: SLF001 - Django's own name
        return str(on.pk)
    return getattr(on, "service_id", None)


def require(actor: Actor, permission: Permission, on: Resource) -> None:
    """Raise NotFound for a stranger and Forbidden, with the reason, for a member."""
    answer = decide(actor, permission, on)
    if answer.allowed:
        return
    if not answer.known:
        raise NotFound(answer.reason)
    raise Forbidden(answer.reason)


def visible_services(rows: "QuerySet[RowT]", actor: Actor) -> "QuerySet[RowT]":
    """Narrow rows of services (anything with `account_id`) to those that the actor may see.

    Staff and system jobs see all; a stranger sees none.
    """
    if actor.type in {ActorType.STAFF, ActorType.SYSTEM}:
        return rows
    here = load_access(actor, actor.account_id)
    if here is None or not decide_with(actor, here, Permission.SERVICE_READ).allowed:
        return rows.none()
    rows = rows.filter(account_id=actor.account_id)
    if here.limit_services:
        rows = rows.filter(pk__in=list(here.levels))
    if actor.token_services:
        rows = rows.filter(pk__in=list(actor.token_services))
    return rows


def members_with(
    permission: Permission, account_id: str, service_id: str | None = None
) -> "QuerySet[Membership]":
    """Return the memberships that carry a permission, on a service where one is named."""
    roles = roles_with(permission)
    members = (
        Membership.objects.select_related("user")
        .filter(account_id=account_id, role__in=roles, user__is_active=True)
        .order_by("user__name", "pk")
    )
    if service_id is None:
        return members
    levels = [f"access_{level}" for level in LEVELS_FOR[permission]]
    granted = Q(
        user__userobjectpermission__object_pk=service_id,
        user__userobjectpermission__permission__codename__in=levels,
        user__userobjectpermission__permission__content_type__app_label="services",
    )
    return members.filter(
        Q(limit_services=False) | Q(role=Role.SUPERUSER) | granted
    ).distinct()
