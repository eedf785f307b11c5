"""Canonical text and hashes of the audit trail: pure functions over text and bytes."""

import json
from collections.abc import Mapping
from hashlib import sha256

GENESIS = "0" * 64
DOMAIN = "entitlement-audit-v1"

# RFC 8785 prints numbers as IEEE doubles; beyond this two readers may see two numbers.
MAX_INTEGER = 2**53 - 1
# More than any entry needs; the limit also stops a body that contains itself.
MAX_NESTING = 16


def canonical(body: Mapping[str, object]) -> str:
    """Return a body as the text that is hashed: RFC 8785 without floats, keys in ASCII.

    Raises ValueError for a value other than dict, list, str, int, bool and None, a key outside
    ASCII, a lone surrogate, and a whole number beyond 2**53-1.
    """
    plain = dict(body)
    _refuse_unhashable(plain, depth=0)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _refuse_unhashable(value: object, depth: int) -> None:
    if depth > MAX_NESTING:
        raise ValueError(f"nested deeper than {MAX_NESTING} levels")
    if type(value) is dict:
        _refuse_keys(value)
        for member in value.values():
            _refuse_unhashable(member, depth + 1)
    elif type(value) is list:
        for member in value:
            _refuse_unhashable(member, depth + 1)
    else:
        _refuse_scalar(value)


def _refuse_keys(value: Mapping[object, object]) -> None:
    for key in value:
        if not isinstance(key, str) or not key.isascii():
            raise ValueError(f"not a key in ASCII: {key!r}")


def _refuse_scalar(value: object) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError(
                f"whole number too large to be read alike everywhere: {value}"
            )
    elif isinstance(value, str):
        _refuse_surrogates(value)
    else:
        raise ValueError(f"cannot be written canonically: {type(value).__name__}")  # noqa: TRY004 one error for all


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text holds a lone surrogate") from error


def event_hash(prev_hash: str, canonical_text: str) -> str:
    """Return the hash of an entry, chained to the hash before it; both hexadecimal."""
    return sha256(f"{DOMAIN}\n{prev_hash}\n{canonical_text}".encode()).hexdigest()


def commitment(salt: bytes, value: str) -> str:
    """Return the commitment to a personal value: SHA-256 of salt and value, hexadecimal."""
    return sha256(salt + value.encode()).hexdigest()
