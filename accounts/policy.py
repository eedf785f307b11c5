"""Decides whether an actor may do something on a resource, with the reason. The table is `roles`.

Permissions are read from the database for each request (R20); a session, a token and an actor
contain none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from django.db.models import Model, Q, QuerySet

from accounts.actor import Actor, ActorType, TokenScope
from accounts.errors import Forbidden, NotFound
from accounts.models import Account, ApiToken, Membership, User
from accounts.prepared import PreparedQuery, columns_of, loaded
from accounts.roles import (
    ABILITIES,
    LEVELS_FOR,
    PERMITTED_WHILE_SUSPENDED,
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
from accounts.service_access import (
    LEVEL_COLUMNS,
    levels_in,
    users_with_access,
    with_levels,
)


class Platform:
    """The resource of what belongs to no account: the catalogue, edges, new accounts."""

    account_id: Final = "platform"


PLATFORM: Final = Platform()


@dataclass(frozen=True, slots=True)
class OwnLogin:
    """The resource of a user's login: it belongs to the user, whatever their accounts.

    `account_id` is the first of the chains that record its changes.
    """

    user_id: str
    account_id: str


class Resource(Protocol):
    """What a permission is checked on: an account, a row that belongs to one, or the platform.

    A row that belongs to a service also has a `service_id`; a service has its own.
    """

    @property
    def account_id(self) -> str: ...


RowT = TypeVar("RowT", bound=Model)


class AnswerCode(StrEnum):
    """The topic of an answer."""

    ALLOWED = "allowed"
    NON_MEMBER = "non_member"
    NOT_LISTED = "not_listed"  # staff and system jobs
    TOKEN_SCOPE = "token_scope"  # noqa: S105 - a code
    TOKEN_SERVICES = "token_services"  # noqa: S105
    ROLE = "role"
    SERVICE_ACCESS = "service_access"
    SUSPENSION = "suspension"


class AccountSuspended(Forbidden):
    """The actor may do this, but not while the account is suspended."""

    code = "account_suspended"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer to a permission check; a refusal has a reason and a remedy."""

    allowed: bool
    code: AnswerCode
    reason: str = ""
    remedy: str = ""

    @property
    def is_non_member(self) -> bool:
        """Return whether the actor is not a member, so that the resource must look missing."""
        return self.code is AnswerCode.NON_MEMBER


# A token limited to services only reads the account itself, and creates or revokes its owner's
# tokens.
_ANYWHERE: Final = READ_PERMISSIONS | {
    Permission.TOKEN_OWN,
    Permission.TOKEN_SELF,
    Permission.TOKEN_REVOKE,
}
# The answers that permit, one for each topic.
PASSED: Final = {code: Decision(allowed=True, code=code) for code in AnswerCode}


def _refused(code: AnswerCode, reason: str, remedy: str = "") -> Decision:
    return Decision(allowed=False, code=code, reason=reason, remedy=remedy)


SCOPE_PERMISSIONS: Final = {
    TokenScope.GLOBAL: frozenset(Permission),
    TokenScope.GLOBAL_READ: READ_PERMISSIONS | {Permission.TOKEN_SELF},
    TokenScope.PURGE_SELECT: frozenset(
        {Permission.SERVICE_PURGE, Permission.TOKEN_SELF}
    ),
    TokenScope.PURGE_ALL: frozenset({Permission.SERVICE_PURGE, Permission.TOKEN_SELF}),
}
ALLOWED: Final = PASSED[AnswerCode.ALLOWED]
NON_MEMBER: Final = _refused(
    AnswerCode.NON_MEMBER,
    "Not found in this account.",
    "Ask a superuser of the account for an invitation.",
)


def _first_refusal(answers: Sequence[Decision]) -> Decision:
    return next((answer for answer in answers if not answer.allowed), ALLOWED)


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """An actor's role, access levels and account, read once.

    For a page that asks several questions. It must not outlive the request, and commands read
    their own.
    """

    actor: Actor
    role: Role | None = None  # None: not a member
    listed: frozenset[Permission] | None = None  # of staff and system jobs
    limit_services: bool = False
    levels: Mapping[str, AccessLevel] = field(default_factory=dict)  # by service id
    account: Account | None = None  # None for staff, system jobs and non-members

    @property
    def is_member(self) -> bool:
        """Return whether the actor has a role in the account."""
        return self.role is not None

    def decide(self, permission: Permission, service_id: str | None = None) -> Decision:
        """Return the first refusal of `explain`, or ALLOWED."""
        return _first_refusal(self.explain(permission, service_id))

    def explain(
        self, permission: Permission, service_id: str | None = None
    ) -> tuple[Decision, ...]:
        """Return all answers, in the order in which `decide` reports them.

        A member gets five: token scope, token services, role, service access and suspension.
        Staff, system jobs and non-members get one.
        """
        if self.listed is not None:
            return (self._list(permission),)
        if self.role is None:
            return (NON_MEMBER,)
        return (
            self._token_scope(permission),
            self._token_services(permission, service_id),
            self._role(self.role, permission),
            self._service_access(permission, service_id),
            self._suspension(permission),
        )

    def require(self, permission: Permission, service_id: str | None = None) -> None:
        """Raise NotFound for a non-member, and Forbidden with the reason for anyone else.

        It is AccountSuspended if nothing but the account's suspension prevents it.
        """
        _require(self.decide(permission, service_id))

    def visible(self, rows: "QuerySet[RowT]") -> "QuerySet[RowT]":
        """Narrow a queryset of services to those that the actor may see; see `visible_services`."""
        if self.listed is not None:
            return rows
        if not self.decide(Permission.SERVICE_READ).allowed:
            return rows.none()
        rows = rows.filter(account_id=self.actor.account_id)
        if self.limit_services:
            rows = rows.filter(pk__in=list(self.levels))
        if self.actor.token_services:
            rows = rows.filter(pk__in=list(self.actor.token_services))
        return rows

    def _list(self, permission: Permission) -> Decision:
        if permission in (self.listed or ()):
            return PASSED[AnswerCode.NOT_LISTED]
        return _refused(AnswerCode.NOT_LISTED, f"{self.actor.label} can't do this.")

    def _token_scope(self, permission: Permission) -> Decision:
        scope = self.actor.token_scope
        if scope is None or permission in SCOPE_PERMISSIONS[scope]:
            return PASSED[AnswerCode.TOKEN_SCOPE]
        return _refused(
            AnswerCode.TOKEN_SCOPE,
            f"This token's scope is {scope}; it cannot {ABILITIES[permission]}.",
            "Use a token of a wider scope.",
        )

    def _token_services(
        self, permission: Permission, service_id: str | None
    ) -> Decision:
        only = self.actor.token_services
        if not only or (service_id in only if service_id else permission in _ANYWHERE):
            return PASSED[AnswerCode.TOKEN_SERVICES]
        if service_id is None:
            return _refused(
                AnswerCode.TOKEN_SERVICES,
                f"This token is limited to some services; it cannot {ABILITIES[permission]}.",
                "Use a token without a list of services.",
            )
        return _refused(
            AnswerCode.TOKEN_SERVICES,
            "This token is limited to other services.",
            "Use a token that covers this service.",
        )

    def _role(self, role: Role, permission: Permission) -> Decision:
        if permission in ROLE_PERMISSIONS[role]:
            return PASSED[AnswerCode.ROLE]
        able = roles_with(permission)
        who = " and ".join(map(_members_with, able)) or "Only staff"
        return _refused(
            AnswerCode.ROLE,
            f"Your role is {role}. {who.capitalize()} can {ABILITIES[permission]}.",
            "A superuser can change your role.",
        )

    def _service_access(
        self, permission: Permission, service_id: str | None
    ) -> Decision:
        needed = LEVELS_FOR.get(permission) if self.limit_services else None
        level = self.levels.get(service_id or "")
        if service_id is None or needed is None or level in needed:
            return PASSED[AnswerCode.SERVICE_ACCESS]
        reason = (
            "You don't have access to this service."
            if level is None
            else f"You have {level.replace('_', ' ')} access to this service. "
            f"To {ABILITIES[permission]}, you need full access."
        )
        return _refused(
            AnswerCode.SERVICE_ACCESS,
            reason,
            "A superuser can give you full access to this service.",
        )

    def _suspension(self, permission: Permission) -> Decision:
        account = self.account
        if (
            account is None
            or account.is_active
            or permission in PERMITTED_WHILE_SUSPENDED
        ):
            return PASSED[AnswerCode.SUSPENSION]
        return _refused(
            AnswerCode.SUSPENSION,
            suspension_text(account.name, account.suspension_reason),
            "Contact support; they can lift the suspension.",
        )


def suspension_text(account_name: str, reason: str) -> str:
    """Return the sentence that an account is suspended, and why."""
    return f"{account_name} is suspended: {reason.rstrip('.')}."


def _members_with(role: str) -> str:
    return "billing users" if role == Role.BILLING else f"{role}s"


def load_access(actor: Actor, account_id: str) -> AccountAccess:
    """Read what an actor may do in an account: one query.

    A system job needs no query. Staff have the same permissions for every account. An automation
    token has no user, and its own role.
    """
    if actor.type is ActorType.SYSTEM:
        return AccountAccess(
            actor, listed=SYSTEM_PERMISSIONS.get(actor.id, frozenset())
        )
    if actor.type is ActorType.STAFF:
        is_staff = User.objects.filter(
            pk=actor.user_id, is_staff=True, is_active=True
        ).exists()
        return AccountAccess(
            actor, listed=STAFF_PERMISSIONS if is_staff else frozenset()
        )
    if actor.account_id != account_id:
        return AccountAccess(actor)
    if actor.type is ActorType.TOKEN and not actor.user_id:
        return _automation_access(actor)
    return _member_access(actor)


_ACCOUNT_COLUMNS: Final = columns_of(Account, "account__")
_MEMBERSHIP: Final = PreparedQuery(
    lambda account_id, user_id: with_levels(
        Membership.objects.filter(
            account_id=account_id,
            user_id=user_id,
            user__is_active=True,
            disabled_at=None,
        )
    ).values_list("role", "limit_services", *LEVEL_COLUMNS, *_ACCOUNT_COLUMNS)
)


def _member_access(actor: Actor) -> AccountAccess:
    rows = _MEMBERSHIP.rows(actor.account_id, actor.user_id)
    if not rows:
        return AccountAccess(actor)
    (role, limit_services, *_), first_of_account = rows[0], 2 + len(LEVEL_COLUMNS)
    limited = limit_services and role in ROLES_WITH_LIMITED_ACCESS
    return AccountAccess(
        actor,
        role=Role(role),
        limit_services=limited,
        levels=levels_in(row[2:first_of_account] for row in rows) if limited else {},
        account=loaded(Account, rows[0][first_of_account:]),
    )


_AUTOMATION_TOKEN: Final = PreparedQuery(
    lambda token_id, account_id: ApiToken.objects.filter(
        pk=token_id, account_id=account_id, user=None, revoked_at=None
    ).values_list("role", *_ACCOUNT_COLUMNS)
)


def _automation_access(actor: Actor) -> AccountAccess:
    """Read the role of an automation token from its row, as a member's from the membership."""
    row = _AUTOMATION_TOKEN.first(actor.id, actor.account_id)
    if row is None:
        return AccountAccess(actor)
    return AccountAccess(actor, role=Role(row[0]), account=loaded(Account, row[1:]))


def explain(actor: Actor, permission: Permission, on: Resource) -> tuple[Decision, ...]:
    """Return all answers to a permission check; see `AccountAccess.explain`."""
    if isinstance(on, OwnLogin):
        return (_own_login(actor, permission, on),)
    access = load_access(actor, on.account_id)
    return access.explain(permission, service_id_of(on))


def _own_login(actor: Actor, permission: Permission, on: OwnLogin) -> Decision:
    """Allow a user their own login, also without an account and while one is suspended."""
    is_own = (
        permission is Permission.LOGIN_OWN
        and actor.type in {ActorType.USER, ActorType.STAFF}
        and actor.user_id == on.user_id
        and User.objects.filter(pk=on.user_id, is_active=True).exists()
    )
    return ALLOWED if is_own else NON_MEMBER


def decide(actor: Actor, permission: Permission, on: Resource) -> Decision:
    """Return whether the actor has a permission on a resource: the first refusal, or ALLOWED."""
    return _first_refusal(explain(actor, permission, on))


def service_id_of(on: Resource) -> str | None:
    """Return the id of the service that a resource is or belongs to; None if there is none."""
    return getattr(on, "service_id", None)


def require(actor: Actor, permission: Permission, on: Resource) -> None:
    """Raise NotFound for a non-member, and Forbidden with the reason for anyone else.

    It is AccountSuspended if nothing but the account's suspension prevents it.
    """
    _require(decide(actor, permission, on))


def _require(answer: Decision) -> None:
    if answer.allowed:
        return
    if answer.is_non_member:
        raise NotFound(answer.reason)
    if answer.code is AnswerCode.SUSPENSION:
        raise AccountSuspended(answer.reason)
    raise Forbidden(answer.reason)


def visible_services(rows: "QuerySet[RowT]", actor: Actor) -> "QuerySet[RowT]":
    """Narrow a queryset of services to those that the actor may see.

    Staff and system jobs see all services, a non-member none.
    """
    if actor.type in {ActorType.STAFF, ActorType.SYSTEM}:
        return rows
    return load_access(actor, actor.account_id).visible(rows)


# The members who have access to all services: a limit has no effect on the other roles.
UNLIMITED: Final = Q(limit_services=False) | ~Q(
    role__in=list(ROLES_WITH_LIMITED_ACCESS)
)


def members_with(
    permission: Permission, account_id: str, service_id: str | None = None
) -> "QuerySet[Membership]":
    """Return the members who have a permission, on one service if `service_id` is given."""
    members = (
        Membership.objects.select_related("user")
        .filter(
            account_id=account_id,
            role__in=roles_with(permission),
            user__is_active=True,
            disabled_at=None,
        )
        .order_by("user__name", "pk")
    )
    if service_id is None:
        return members
    with_access = users_with_access([service_id], LEVELS_FOR[permission])
    return members.filter(UNLIMITED | Q(user_id__in=with_access))
