"""The words by which staff find an entry, in a form that ignores case."""

import unicodedata
from collections.abc import Iterator

from accounts.audit.models import MAX_TARGET_ID_LENGTH, AuditEvent

# A name is found by the start of each of its first words: "sam" and "osei".
MAX_WORDS = 4
IDS = ("actor_id", "target_id", "service_id")
LABELS = ("actor_label", "target_label")


def fold(text: str) -> str:
    """Return a text in the form in which searches compare it: without case and extra spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split())[:MAX_TARGET_ID_LENGTH]


def terms_of(event: AuditEvent) -> Iterator[tuple[str, str, str]]:
    """Yield each term of an entry, with its column and the value there."""
    for column in IDS:
        value = getattr(event, column)
        yield from ((start, column, value) for start in _word_starts(value)[:1])
    for column in LABELS:
        value = getattr(event, column)
        yield from ((start, column, value) for start in _word_starts(value))
    for name in _product_names(event):
        yield from ((start, "product", event.product) for start in _word_starts(name))


def _product_names(event: AuditEvent) -> set[str]:
    is_target = event.target_type == "product" and event.target_id == event.product
    return {event.product, event.target_label if is_target else event.product}


def _word_starts(text: str) -> list[str]:
    """Return a folded text from each of its first words on; none for an empty text."""
    words = fold(text).split()
    return [" ".join(words[number:]) for number in range(min(len(words), MAX_WORDS))]
