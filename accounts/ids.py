"""Random ids of 22 characters, the form that Fastly's clients expect."""

import hashlib
import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 22


def new_id() -> str:
    """Return a new random id: 22 characters of [0-9A-Za-z], 130 bits."""
    return random_characters(LENGTH)


def random_characters(count: int) -> str:
    """Return random characters of [0-9A-Za-z]."""
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def derived_id(*ids: str) -> str:
    """Return the id of what has no row of its own: always the same for the same ids."""
    number = int.from_bytes(hashlib.sha256("/".join(ids).encode()).digest())
    digits = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)
