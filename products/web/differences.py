"""The differences between versions as pages show them: by part, in the editor's words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

from accounts.audit.models import AuditEvent
from products.services.comparison import Comparison, FieldChange, PartChange
from products.services.kinds import KINDS, Field, Kind
from products.web.parts import label_of, shown_part

# Comparing longer texts line by line would take seconds.
MAX_COMPARED_LINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field that differs, in words; "" for no value. `lines` has a long text line by line."""

    label: str
    before: str
    after: str
    lines: str = ""


@dataclass(frozen=True, slots=True)
class ShownPartChange:
    """A part that differs: what happened to it, what it is, and its fields.

    The fields of an added or removed part are those that the summary does not have.
    """

    verb: str
    kind: Kind
    name: str
    summary: str
    fields: tuple[ShownField, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """All differences between two versions."""

    parts: tuple[ShownPartChange, ...]
    counts: tuple[tuple[str, int], ...]
    unchanged: int


def shown_differences(comparison: Comparison) -> Differences:
    """Return differences as the page of a comparison shows them."""
    parts = tuple(_shown_part_change(each) for each in comparison.parts)
    verbs = [each.verb for each in parts]
    counts = tuple(
        (verb.lower(), verbs.count(verb))
        for verb in ("Added", "Changed", "Removed")
        if verb in verbs
    )
    return Differences(parts, counts, comparison.unchanged)


def _shown_part_change(change: PartChange) -> ShownPartChange:
    row = change.new or change.old
    assert row is not None  # noqa: S101 - for the type alone
    if change.old and change.new:
        fields = tuple(_shown_field(change.kind, each) for each in change.fields)
        return ShownPartChange("Changed", change.kind, row.name, "", fields)
    shown = shown_part(row)
    return ShownPartChange(
        "Added" if change.new else "Removed",
        change.kind,
        row.name,
        shown.summary,
        tuple(
            _shown_field(change.kind, each)
            for each in change.fields
            if each.field not in {"name", *shown.fields}
        ),
    )


def _shown_field(kind: Kind, change: FieldChange) -> ShownField:
    declared = kind.by_name.get(change.field)
    label = label_of(kind, change.field)
    before, after = _words(declared, change.before), _words(declared, change.after)
    if declared and declared.lines and "\n" in before + after:
        return ShownField(label, "", "", _changed_lines(before, after))
    return ShownField(label, before, after)


def _changed_lines(before: str, after: str) -> str:
    """Return the changed lines of a long text with two lines around them."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > MAX_COMPARED_LINES:
        return f"{len(old):,} lines before, {len(new):,} lines after"
    return "\n".join(list(unified_diff(old, new, lineterm="", n=2))[2:])


def changes_in_words(event: AuditEvent) -> Iterable[ShownField] | None:
    """Return the changed fields of an entry about a part; None for other entries."""
    kind = KINDS.get(event.target_type)
    return None if kind is None else list(_noted_fields(kind, event))


def _noted_fields(kind: Kind, event: AuditEvent) -> Iterator[ShownField]:
    before, after = (_noted(event, side) for side in ("before", "after"))
    for name in ("name", *kind.by_name):
        if name in before or name in after:
            declared = kind.by_name.get(name)
            yield ShownField(
                label_of(kind, name),
                _words(declared, before.get(name)),
                _words(declared, after.get(name)),
            )


def _noted(event: AuditEvent, side: str) -> Mapping[str, object]:
    values = event.body.get(side)
    return values if isinstance(values, dict) else {}


def _words(declared: Field | None, value: object) -> str:
    return declared.words(value) if declared else str(value or "")
