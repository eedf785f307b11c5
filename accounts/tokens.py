"""Creates and hashes the secrets of API tokens; they are stored as a keyed hash.

A secret is `tg_`, 23 random characters and a checksum of 6, of base 62: 32 characters, as Fastly's
tokens, and 136 random bits. Secret scanners know it by prefix and checksum. Edges and older tokens
have secrets of 43 characters, which stay valid.
"""

import hashlib
import hmac
import secrets
import zlib
from typing import Final

from django.conf import settings

from accounts.ids import ALPHABET, random_characters

PREFIX: Final = "tg_"
RANDOM_LENGTH: Final = 23
CHECKSUM_LENGTH: Final = 6


def new_secret() -> str:
    """Return a new random secret of an edge or of a proof: 43 characters, 256 bits."""
    return secrets.token_urlsafe(32)


def new_token_secret() -> str:
    """Return a new random secret of an API token: 32 characters, 136 bits."""
    random = random_characters(RANDOM_LENGTH)
    return f"{PREFIX}{random}{checksum(random)}"


def checksum(random: str) -> str:
    """Return the CRC-32 of the random characters in base 62, with leading zeros."""
    number = zlib.crc32(random.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


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
