"""Makes ids that sort by time: 48 bits of milliseconds, 80 of chance (ULID)."""

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_LENGTH = 26


def make_ulid(milliseconds: int) -> str:
    """Make an id for a moment, in milliseconds since 1970."""
    number = milliseconds << 80 | secrets.randbits(80)
    return "".join(
        _ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_LENGTH))
    )
