"""Signing secrets of webhooks; they are stored encrypted with ENCRYPTION_KEY."""

import base64
import secrets
from typing import Final

PREFIX: Final = "whsec_"
BYTES: Final = 32


def new_signing_secret() -> str:
    """Return a new secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()
