"""Creates and hashes the secrets of API tokens: 256 random bits, stored as a keyed hash."""

import hashlib
import hmac
import secrets

from django.conf import settings


def new_secret() -> str:
    """Return a new random secret: 43 characters, 256 bits."""
    return secrets.token_urlsafe(32)


def digests(secret: str) -> list[str]:
    """Return the secret's keyed hashes, the current pepper's first, then the fallbacks'."""
    peppers = [settings.TOKEN_PEPPER, *settings.TOKEN_PEPPER_FALLBACKS]
    return [
        hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).hexdigest()
        for pepper in peppers
    ]


def digest(secret: str) -> str:
    """Return the secret's hash under the current pepper: 64 hex digits."""
    return digests(secret)[0]
