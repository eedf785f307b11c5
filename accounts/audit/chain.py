"""Canonical text, hashes and Merkle proofs of the trail: pure functions over text and bytes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

GENESIS = "0" * 64
DOMAIN = "entitlement-audit-v1"

# RFC 8785 prints numbers as IEEE doubles; beyond this two readers may see two numbers.
MAX_INTEGER = 2**53 - 1
# Deeper than any note needs; a bound also ends a body that contains itself.
MAX_NESTING = 16


def canonical(body: Mapping[str, object]) -> str:
    """Write a body in the one form that is hashed: RFC 8785 without floats, keys in ASCII.

    Raises ValueError for anything but dict, list, str, int, bool and None, for a key outside ASCII, a lone
    surrogate, and a whole number beyond 2**53-1.
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
    """Hash an event onto the one before it; hexadecimal in and out."""
    return sha256(f"{DOMAIN}\n{prev_hash}\n{canonical_text}".encode()).hexdigest()


def commitment(salt: bytes, value: str) -> str:
    """Commit to a personal value without holding it: SHA-256 over salt and value."""
    return sha256(salt + value.encode()).hexdigest()


def merkle_root(event_hashes: Iterable[str]) -> str:
    """Return the root over events in order, as RFC 6962 section 2.1 builds it."""
    return _root([_leaf(each) for each in event_hashes]).hex()


def inclusion_proof(event_hashes: Sequence[str], index: int) -> list[str]:
    """Return the hashes that lead from one event (counted from 0) up to the root, RFC 6962 section 2.1.1.

    Raises ValueError where there is no such event.
    """
    if not 0 <= index < len(event_hashes):
        raise ValueError(f"no event {index} among {len(event_hashes)}")
    return [node.hex() for node in _path([_leaf(each) for each in event_hashes], index)]


def is_included(
    event_hash_: str, index: int, *, size: int, proof: Sequence[str], root: str
) -> bool:
    """Tell whether a proof leads from an event (counted from 0) to the root of a tree of that size."""
    if not 0 <= index < size:
        return False
    node, place, last = _leaf(event_hash_), index, size - 1
    for step in proof:
        if last == 0:
            return False
        sibling = bytes.fromhex(step)
        if place % 2 or place == last:
            node = _node(sibling, node)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node.hex() == root


def _leaf(event_hash_: str) -> bytes:
    return sha256(b"\x00" + bytes.fromhex(event_hash_)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


def _root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    level = list(leaves)
    # Pairing from the left and carrying an odd one up gives RFC 6962's tree without recursion.
    while len(level) > 1:
        paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0]


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*_path(leaves[:split], index), _root(leaves[split:])]
    return [*_path(leaves[split:], index - split), _root(leaves[:split])]
