"""Signing secrets of webhooks, encrypted with a key that is derived from SECRET_KEY."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

PREFIX: Final = "whsec_"
BYTES: Final = 32
_PURPOSE: Final = b"tollgate.webhooks.secret"


def new_signing_secret() -> str:
    """Return a new secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def encrypted(secret: str) -> str:
    """Return a secret as it is stored."""
    return _cipher().encrypt(secret.encode()).decode()


def decrypted(stored: str) -> str:
    """Return a stored secret; also one that was stored with one of SECRET_KEY_FALLBACKS."""
    return _cipher().decrypt(stored.encode()).decode()


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet(
        Fernet(
            base64.urlsafe_b64encode(
                hmac.new(key.encode(), _PURPOSE, hashlib.sha256).digest()
            )
        )
        for key in keys
    )
