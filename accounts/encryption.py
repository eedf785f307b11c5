"""Encrypts secrets that are stored in the database and needed in plain, such as seeds of codes.

Fernet of `cryptography` (AES-128-CBC with HMAC-SHA-256). The key is `ENCRYPTION_KEY`; texts
encrypted with a key of `ENCRYPTION_KEY_FALLBACKS` can still be read, until `rotate_encryption`.
"""

import base64
import functools
import hashlib
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

MARK: Final = "enc1:"  # how an encrypted text begins


class UnreadableSecret(Exception):
    """A stored secret was encrypted with a key that is not configured."""


def encrypt(text: str) -> str:
    """Return a text encrypted with the current key."""
    return MARK + _keys().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """Return the plain text; a text without the mark was stored before encryption.

    Raises UnreadableSecret.
    """
    if not stored.startswith(MARK):
        return stored
    try:
        return _keys().decrypt(stored.removeprefix(MARK)).decode()
    except InvalidToken as error:
        raise UnreadableSecret(
            "A secret can't be decrypted. Add the earlier ENCRYPTION_KEY to "
            "ENCRYPTION_KEY_FALLBACKS."
        ) from error


def _keys() -> MultiFernet:
    return _ciphers(settings.ENCRYPTION_KEY, *settings.ENCRYPTION_KEY_FALLBACKS)


@functools.lru_cache(maxsize=4)
def _ciphers(*texts: str) -> MultiFernet:
    """Return the keys of these texts; a dictionary has a thousand values to decrypt."""
    return MultiFernet([Fernet(_derived(text)) for text in texts])


def _derived(text: str) -> bytes:
    """Return a Fernet key of a random text of any length."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
