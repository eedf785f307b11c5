"""Who acts: a user in a browser, an API token, a named system job, or a member of staff."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

AUTOMATION: Final = (
    "automation token"  # marks a token without a user in the audit trail
)
STAFF_MARK: Final = "Tollgate staff"
TOLLGATE: Final = "Tollgate"
# Rows keep an actor's words: a token has two names, and staff who approve name the proposer.
MAX_ACTOR_LENGTH: Final = 255


class ActorType(StrEnum):
    """The types of actor in the audit trail."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - the name of a type
    SYSTEM = "system"
    STAFF = "staff"


class Interface(StrEnum):
    """The interfaces through which an actor acts."""

    WEB = "web"
    API = "api"
    ADMIN = "admin"
    EDGE = "edge"
    COMMAND = "command"
    SYSTEM = "system"


class TokenScope(StrEnum):
    """What a token can be used for (Fastly's terms)."""

    GLOBAL = "global"
    GLOBAL_READ = "global:read"
    PURGE_SELECT = "purge_select"
    PURGE_ALL = "purge_all"


def actor_words(actor_type: str, label: str) -> str:
    """Return an actor's label as people read it, by the actor's type."""
    if actor_type == ActorType.STAFF:
        return f"{label} ({STAFF_MARK})"
    if actor_type == ActorType.SYSTEM:
        return TOLLGATE
    owner, _, token = label.removesuffix(")").partition(" (")
    # An automation token has no owner.
    if actor_type == ActorType.TOKEN and token not in {"", AUTOMATION}:
        return f"{owner} (token {token})"
    return label


@dataclass(frozen=True, slots=True)
class Context:
    """Where an actor acts from; the audit trail keeps all of it, personal data as commitments."""

    interface: Interface = Interface.SYSTEM
    request_id: str = ""
    ip: str = ""
    user_agent: str = ""
    auth_method: str = ""
    reauth_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor and the account it acts in (none for staff and system jobs).

    `user_id` is the person behind a user, token or staff actor. Permissions are read from the
    database for each request (R20), so an actor does not contain them.
    """

    type: ActorType
    id: str
    label: str
    user_id: str = ""
    email: str = ""
    account_id: str = ""
    token_scope: TokenScope | None = None
    token_services: frozenset[str] = frozenset()
    second_person: str = ""  # of the staff, where a change needs two
    context: Context = field(default_factory=Context)

    @property
    def words(self) -> str:
        """Return who acts, as people read it; rows keep it beside what the actor did."""
        return actor_words(self.type, self.label)

    @classmethod
    def system(cls, name: str, *, interface: Interface = Interface.SYSTEM) -> Self:
        """Return a system job; `roles.SYSTEM_PERMISSIONS` lists what it may do by its name."""
        return cls(ActorType.SYSTEM, name, name, context=Context(interface=interface))

    @classmethod
    def user(
        cls, *, user_id: str, label: str, email: str, account_id: str, context: Context
    ) -> Self:
        """Return a user who acts in one account."""
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
        """Return a member of staff, who belongs to no account."""
        return cls(
            ActorType.STAFF,
            user_id,
            label,
            user_id=user_id,
            email=email,
            context=context,
        )
