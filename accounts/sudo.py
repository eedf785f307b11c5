"""Re-authentication of API clients: proved by `POST /sudo`, valid for five minutes.

A proof counts only for the credential that it was made with: a token, or the password alone.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.utils import timezone

from accounts.actor import Actor
from accounts.audit.entry_body import CLOCK_TOLERANCE
from accounts.errors import Forbidden

SUDO_LIFETIME: Final = timedelta(minutes=5)


class SudoNeeded(Forbidden):
    """The user has not authenticated with `POST /sudo` within the last five minutes."""

    code = "reauthentication_required"


def start_sudo(user_id: str, *, token_id: str, now: datetime) -> datetime:
    """Remember that a user has authenticated; return until when it is valid.

    `token_id` names the token of the request; "" for a request without one.
    """
    cache.set(_key(user_id, token_id), now, timeout=int(SUDO_LIFETIME.total_seconds()))
    return now + SUDO_LIFETIME


def require_sudo(user_id: str, *, token_id: str) -> datetime:
    """Return when the user authenticated with this credential. Raises SudoNeeded.

    The cache forgets the time after five minutes by the clock of the process that set it, which
    may be wrong.
    """
    at: datetime | None = cache.get(_key(user_id, token_id))
    if at is None or not -CLOCK_TOLERANCE <= timezone.now() - at <= SUDO_LIFETIME:
        raise SudoNeeded(
            "Authenticate with POST /api/sudo first. It is valid for five minutes."
        )
    return at


def reauthenticated(actor: Actor) -> Actor:
    """Return a token's actor with the time of its re-authentication, for the audit trail.

    Raises SudoNeeded.
    """
    at = require_sudo(actor.user_id, token_id=actor.id)
    return replace(
        actor, context=replace(actor.context, auth_method="password", reauth_at=at)
    )


def _key(user_id: str, token_id: str) -> str:
    return f"sudo:{user_id}:{token_id}"
