"""API tokens, and a client that sends one like Fastly's clients."""

from datetime import datetime
from typing import Any

from django.test import Client

from accounts.actor import Actor, TokenScope
from accounts.models import Account, ApiToken
from accounts.tokens import digest, new_secret
from tests.factories import NOW

FORM = "application/x-www-form-urlencoded"


def key_of(
    person: Actor,
    *,
    scope: TokenScope = TokenScope.GLOBAL,
    services: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> str:
    """Create a token of a person in their account, and return its secret."""
    secret = new_secret()
    ApiToken.objects.create(
        user_id=person.user_id,
        account_id=person.account_id,
        name=f"{person.label}'s key",
        scope=scope.value,
        services=list(services),
        digest=digest(secret),
        created_at=NOW,
        expires_at=expires_at,
    )
    return secret


def client_of(person: Actor, **token: Any) -> Client:
    """Return a client that acts with a new token of the person."""
    return Client(
        headers={"Fastly-Key": key_of(person, **token)}, raise_request_exception=False
    )


def automation_key(
    account: Account,
    role: str,
    *,
    created_at: datetime = NOW,
    expires_at: datetime | None = None,
) -> str:
    """Create an automation token of an account, and return its secret."""
    secret = new_secret()
    ApiToken.objects.create(
        account=account,
        role=role,
        name="deploy",
        scope=TokenScope.GLOBAL.value,
        digest=digest(secret),
        created_at=created_at,
        expires_at=expires_at,
    )
    return secret
