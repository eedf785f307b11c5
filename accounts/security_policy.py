"""Second factors and session limits: the operator's rules, and what accounts require beyond them.

A login belongs to a user and not to an account. So the strictest of the user's accounts counts,
whichever one they are in; functions take the memberships in all of them, with their accounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef

from accounts.models import Account, Membership, User
from accounts.readable import limit_in_words
from accounts.roles import SECOND_FACTOR_ROLES, Role

FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# What an account can choose from; only those shorter than the operator's limits have an effect.
IDLE_SECONDS: Final = (15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR)
MAX_SECONDS: Final = (8 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY)


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """What an account requires of its members; None for the operator's session limits."""

    second_factor_required: bool = False
    session_idle_seconds: int | None = None
    session_max_seconds: int | None = None

    @classmethod
    def of(cls, account: Account) -> "SecurityPolicy":
        """Return the policy of an account."""
        return cls(
            account.second_factor_required,
            account.session_idle_seconds,
            account.session_max_seconds,
        )

    @property
    def is_set(self) -> bool:
        """Return whether the account requires more than the operator."""
        return self != SecurityPolicy()

    def limits(self) -> dict[str, Any]:
        """Return the session limits as the audit trail has them."""
        return {
            "session_idle_seconds": self.session_idle_seconds,
            "session_max_seconds": self.session_max_seconds,
        }


def idle_choices() -> tuple[int, ...]:
    """Return the times without use after which an account can have sessions end, in seconds."""
    longest = max(settings.SESSION_IDLE_SECONDS, settings.SESSION_IDLE_SECONDS_STRICT)
    return tuple(each for each in IDLE_SECONDS if each < longest)


def max_choices() -> tuple[int, ...]:
    """Return the times after sign-in after which an account can have sessions end, in seconds."""
    longest = max(settings.SESSION_MAX_SECONDS, settings.SESSION_MAX_SECONDS_STRICT)
    return tuple(each for each in MAX_SECONDS if each < longest)


def has_strict_role(user: User, memberships: Iterable[Membership]) -> bool:
    """Return whether the operator's stricter rules apply to a user: staff, superusers and billing."""
    roles = {Role(membership.role) for membership in memberships}
    return user.is_staff or not SECOND_FACTOR_ROLES.isdisjoint(roles)


def accounts_that_require_factor(memberships: Iterable[Membership]) -> list[Account]:
    """Return the accounts whose policy requires a second factor of all members."""
    return [each.account for each in memberships if each.account.second_factor_required]


def needs_second_factor(user: User, memberships: Sequence[Membership]) -> bool:
    """Return whether a user must have a second factor: by the operator's rule or an account's policy."""
    by_operator = settings.SECOND_FACTOR_REQUIRED and has_strict_role(user, memberships)
    return by_operator or bool(accounts_that_require_factor(memberships))


def lacks_second_factor(user: User, memberships: Sequence[Membership]) -> bool:
    """Return whether a user must have a second factor and has none."""
    return needs_second_factor(user, memberships) and not has_second_factor(user)


def has_second_factor(user: User | AnonymousUser) -> bool:
    """Return whether a user has a passkey or an authenticator app."""
    enabled: bool = is_mfa_enabled(user, FACTORS)
    return enabled


def has_factor() -> Exists:
    """Return the condition that the user of a membership has a second factor."""
    return Exists(
        Authenticator.objects.filter(user_id=OuterRef("user_id"), type__in=FACTORS)
    )


@dataclass(frozen=True, slots=True)
class Limit:
    """A time in seconds after which a session ends, and the name of the account that set it."""

    seconds: int
    account: str = ""  # "": the operator

    def __str__(self) -> str:
        return limit_in_words(self.seconds)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts: without a request, and at most."""

    idle: Limit
    at_most: Limit


def session_limits_of(user: User, memberships: Sequence[Membership]) -> SessionLimits:
    """Return the session limits of a user."""
    accounts = [each.account for each in memberships]
    return session_limits(accounts, strict=has_strict_role(user, memberships))


def session_limits(accounts: Sequence[Account], *, strict: bool) -> SessionLimits:
    """Return the shortest limits: the operator's for strict roles or others, and those of accounts."""
    idle = (
        settings.SESSION_IDLE_SECONDS_STRICT
        if strict
        else settings.SESSION_IDLE_SECONDS
    )
    at_most = (
        settings.SESSION_MAX_SECONDS_STRICT if strict else settings.SESSION_MAX_SECONDS
    )
    return SessionLimits(
        _strictest(idle, [(row.session_idle_seconds, row.name) for row in accounts]),
        _strictest(at_most, [(row.session_max_seconds, row.name) for row in accounts]),
    )


def _strictest(operators: int, of_accounts: Iterable[tuple[int | None, str]]) -> Limit:
    limits = [Limit(seconds, name) for seconds, name in of_accounts if seconds]
    return min([Limit(operators), *limits], key=lambda limit: limit.seconds)
