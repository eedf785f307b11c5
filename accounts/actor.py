"""Who acts: a person in a browser, a token, a named system job, or one of the platform's staff."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self


class ActorType(StrEnum):
    """The kinds of actor that the trail knows."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - a kind's name
    SYSTEM = "system"
    STAFF = "staff"


class TokenScope(StrEnum):
    """How far a token reaches (Fastly's words)."""

    GLOBAL = "global"
    GLOBAL_READ = "global:read"
    PURGE_SELECT = "purge_select"
    PURGE_ALL = "purge_all"


@dataclass(frozen=True, slots=True)
class Context:
    """From where an actor acts; all of it goes into the trail, personal data as commitments."""

    interface: str = "system"
    request_id: str = ""
    ip: str = ""
    user_agent: str = ""
    auth_method: str = ""
    reauth_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor and the account it acts in (none for staff and system jobs).

    `user_id` is the person behind a user, token or staff actor; rights are looked up from it at
    each request (R20), never carried here.
    """

    type: ActorType
    id: str
    label: str
    user_id: str = ""
    email: str = ""
    account_id: str = ""
    token_scope: TokenScope | None = None
    token_services: frozenset[str] = frozenset()
    context: Context = field(default_factory=Context)

    @classmethod
    def system(
        cls, name: str, *, request_id: str = "", interface: str = "system"
    ) -> Self:
        """Return a named job of the platform; the policy lists what it may do."""
        return cls(
            ActorType.SYSTEM,
            name,
            name,
            context=Context(interface=interface, request_id=request_id),
        )

    @classmethod
    def user(
        cls, *, user_id: str, label: str, email: str, account_id: str, context: Context
    ) -> Self:
        """Return a person acting in one account."""
        return cls(
            ActorType.USER,
            user_id,
            label,
            user_id=user_id,
            email=email,
            account_id=account_id,
            context=context,
        )

    @classmethod
    def staff(cls, *, user_id: str, label: str, email: str, context: Context) -> Self:
        """Return one of the platform's staff, who acts in no account of their own."""
        return cls(
            ActorType.STAFF,
            user_id,
            label,
            user_id=user_id,
            email=email,
            context=context,
        )
