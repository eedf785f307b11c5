"""Checks that compare rows of other tables with the entries about them; apps register them."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

# Takes an account's id. Raises BrokenChainError for the first entry that a row contradicts.
RowCheck: TypeAlias = Callable[[str], None]

_registered: list[RowCheck] = []


def register(check: RowCheck) -> None:
    """Let every verification of a chain run a check."""
    if check not in _registered:
        _registered.append(check)


def registered() -> Iterator[RowCheck]:
    """Yield the checks in the order of their registration."""
    yield from _registered
