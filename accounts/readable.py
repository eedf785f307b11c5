"""Text that people read as the name of something or as a note on it."""

import unicodedata

_LAYOUT = "\r\n\t"


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
