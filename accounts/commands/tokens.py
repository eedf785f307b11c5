"""API tokens: created with a scope, services and an expiry; shown once; revoked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from accounts.actor import Actor, TokenScope
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.users import cleaned_name
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import ApiToken
from accounts.queries import NO_SUCH_TOKEN, services_of
from accounts.roles import AUTOMATION_ROLES, Permission
from accounts.tokens import digest, new_token_secret

MAX_TOKEN_LIFETIME: Final = timedelta(days=366)  # a year, also a leap year
MAX_SERVICES: Final = 100


class WiderToken(Forbidden):
    """A token tried to create one that can do more than itself."""

    code = "wider_token"


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and its secret, which cannot be shown again."""

    token: ApiToken
    secret: str = field(repr=False)


def issue_token(
    actor: Actor,
    *,
    name: str,
    scope: str,
    services: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> Issued:
    """Create a token for the actor in their account; no services means all.

    Raises Forbidden, WiderToken, and Invalid for an invalid scope or expiry (required, within a
    year), and for a service that the actor cannot see. Notes token.issued.
    """
    issued = _new_token(
        actor, name=name, scope=scope, services=services, expires_at=expires_at, now=now
    )
    token = issued.token
    token.user_id = actor.user_id
    with recorded_change(actor, Permission.TOKEN_OWN, on=token, now=now) as trail:
        _require_no_wider(actor, services)
        _require_seen(actor, services)
        _save(trail, token)
    return issued


def issue_automation_token(
    actor: Actor,
    *,
    name: str,
    role: str,
    scope: str,
    services: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> Issued:
    """Create a token of the actor's account with a role of its own, which no user's leaving ends.

    Raises as `issue_token` does, and Invalid for a role that such a token cannot have. Notes
    token.issued.
    """
    if role not in AUTOMATION_ROLES:
        raise Invalid(
            f"Choose one of the roles {', '.join(AUTOMATION_ROLES)}.", field="role"
        )
    issued = _new_token(
        actor, name=name, scope=scope, services=services, expires_at=expires_at, now=now
    )
    token = issued.token
    token.role = role
    with recorded_change(actor, Permission.TOKEN_AUTOMATE, on=token, now=now) as trail:
        _require_no_wider(actor, services)
        _require_seen(actor, services)
        _save(trail, token)
    return issued


def _new_token(
    actor: Actor,
    *,
    name: str,
    scope: str,
    services: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> Issued:
    """Return a token that is not saved, without a user and a role; raises Invalid."""
    name = cleaned_name(name)
    _require_scope(scope)
    if len(services) > MAX_SERVICES:
        raise Invalid(f"Choose at most {MAX_SERVICES} services.", field="services")
    if expires_at is None or not now < expires_at <= now + MAX_TOKEN_LIFETIME:
        raise Invalid(
            "Choose an expiry date within the next year.",
            field="expires_at",
        )
    secret = new_token_secret()
    token = ApiToken(
        account_id=actor.account_id,
        name=name,
        scope=scope,
        services=sorted(set(services)),
        digest=digest(secret),
        created_at=now,
        expires_at=expires_at,
        ip=actor.context.ip,
        user_agent=actor.context.user_agent,
    )
    return Issued(token, secret)


def _save(trail: Trail, token: ApiToken) -> None:
    token.created_at = trail.now
    token.save(force_insert=True)
    expires_at = token.expires_at
    assert expires_at is not None  # noqa: S101 - see _new_token
    after: dict[str, object] = {
        "scope": token.scope,
        "services": list(token.services) or "all services",
        "expires_at": expires_at.isoformat(timespec="seconds"),
    }
    if token.role:
        after["role"] = token.role
    trail.note(Event.TOKEN_ISSUED, target=("token", token.pk, token.name), after=after)


def revoke_token(actor: Actor, *, token: ApiToken, now: datetime) -> None:
    """Revoke one token; see `revoke_tokens`."""
    revoke_tokens(actor, tokens=[token], now=now)


def revoke_tokens(actor: Actor, *, tokens: Sequence[ApiToken], now: datetime) -> None:
    """Revoke tokens of one account, all or none.

    They are the actor's own, or other members' with the permission to manage tokens. Raises
    Forbidden and NotFound. Notes token.revoked for each; revoking again changes nothing.
    """
    account = tokens[0].account
    with recorded_change(
        actor, _permission_to_revoke(actor, tokens), on=account, now=now
    ) as trail:
        keys = [token.pk for token in tokens]
        held = ApiToken.objects.select_for_update().filter(pk__in=keys, account=account)
        rows = list(held.order_by("pk"))
        if len(rows) != len(keys):
            raise NotFound(NO_SUCH_TOKEN)
        active = [row for row in rows if row.revoked_at is None]
        if not active:
            raise Unchanged
        for row in active:
            row.revoked_at = trail.now
            row.save(update_fields=["revoked_at"])
            trail.note(Event.TOKEN_REVOKED, target=("token", row.pk, row.name))


def _permission_to_revoke(actor: Actor, tokens: Sequence[ApiToken]) -> Permission:
    """Return the permission that revoking needs; a token can revoke itself, whatever its scope."""
    if [token.pk for token in tokens] == [actor.id]:
        return Permission.TOKEN_SELF
    own = all(token.user_id == actor.user_id for token in tokens)
    return Permission.TOKEN_REVOKE if own else Permission.TOKEN_MANAGE


def _require_scope(scope: str) -> None:
    if scope not in list(TokenScope):
        names = ", ".join(each.value for each in TokenScope)
        raise Invalid(f"Unknown scope. Choose one of: {names}.", field="scope")


def _require_no_wider(actor: Actor, services: Sequence[str]) -> None:
    """Raise WiderToken if the actor is a token limited to other services."""
    if not actor.token_services:
        return
    if not services or not actor.token_services.issuperset(services):
        raise WiderToken(
            "This token is limited to some services and can't create a token for others."
        )


def _require_seen(actor: Actor, services: Sequence[str]) -> None:
    """Raise Invalid if the actor sees no service with one of the ids."""
    if not services:
        return
    seen = {service.id for service in services_of(actor, services)}
    if unknown := [key for key in services if key not in seen]:
        raise Invalid(
            f"There is no service with the ID {unknown[0]}.", field="services"
        )
