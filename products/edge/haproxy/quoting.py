"""Writes what a customer gave as one word of HAProxy's configuration, and nothing more.

Between single quotes HAProxy takes every byte as it stands (Configuration Manual 2.6,
2.2, "Quoting and escaping"); `%` alone means something to a log-format after that.
"""

import re

_PLAIN = re.compile(rb"[A-Za-z0-9._/:@,*+-]+")
_LINE_BREAKERS = re.compile(rb"[\x00\r\n]")


class Unquotable(ValueError):
    """A value that cannot stand in one line of the configuration."""


def word(value: bytes) -> bytes:
    """Give a value as exactly one word. Raises Unquotable for a line's end or a null."""
    if _LINE_BREAKERS.search(value):
        raise Unquotable(repr(value))
    if _PLAIN.fullmatch(value):
        return value
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def format_word(value: bytes) -> bytes:
    """Give a value as one word where HAProxy expects a log-format."""
    if not value:
        return b"'%[str()]'"  # an empty word would count as a missing one
    return word(value.replace(b"%", b"%%"))
