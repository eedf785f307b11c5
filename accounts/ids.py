"""Random ids of 22 characters, the form that Fastly's clients expect."""

import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 22


def new_id() -> str:
    """Return a new random id: 22 characters of [0-9A-Za-z], 130 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
