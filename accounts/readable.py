"""Text that people read: whether a name or a note can be read, and limits in words."""

import unicodedata
from collections.abc import Iterable
from typing import Final

_LAYOUT = "\r\n\t"
_LIMIT_UNITS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def has_hidden_characters(text: str, *, lines: bool = False) -> bool:
    """Return whether a text has characters that people cannot see or that reorder others.

    They are those of Unicode's category C: controls, zero-width and bidirectional characters,
    surrogates and unassigned ones. `lines` allows line breaks and tabs.
    """
    allowed = _LAYOUT if lines else ""
    return any(
        unicodedata.category(each).startswith("C") and each not in allowed
        for each in text
    )


def limit_in_words(seconds: int) -> str:
    """Return a time in the largest unit that divides it: 30 minutes, 14 days."""
    unit, length = next(each for each in _LIMIT_UNITS if seconds % each[1] == 0)
    return counted(seconds // length, unit)


def choices_in_words(choices: Iterable[object]) -> str:
    """Return choices as a list in a sentence: a, b or c."""
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: "1 connection", "7,345 connections"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
