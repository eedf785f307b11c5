"""What a form sent for one part of a draft: its changes, its errors, and conflicts by field.

The page of one part has one of these, the page of several parts one for each.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django import forms
from django.http import QueryDict

from products.compatibility.version_config import MissingPart, VersionConfig
from products.services.describe import config_of, references_of, version_config
from products.services.kinds import Kind
from products.services.kinds.fields import Values
from products.services.models import Part, Version
from products.services.validation import InvalidFields, clean
from products.web.finding_links import ShownFinding, advice_about
from products.web.part_forms import (
    Names,
    changes_of,
    digest,
    digests_of,
    form_for,
    initial_of,
    same,
    stored_values,
)
from products.web.parts import label_of, shown_part

NO_NAME = "without a name"


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that the user and someone else changed to different values, in words.

    `choice` is the form field that says which of the two to keep.
    """

    name: str
    choice: str
    label: str
    mine: str
    saved: str


@dataclass(slots=True)
class PartEdit:
    """The form of one part; `row` is None for a new one.

    `base` has the digests of the values that the form started from. The names of the form's fields
    start with `prefix`, if several parts are on the page.
    """

    kind: Kind
    row: Part | None
    names: Names
    form: forms.Form
    base: str
    prefix: str = ""
    fields: tuple[str, ...] | None = None  # those that the form has; None for all
    conflicts: tuple[FieldConflict, ...] = ()
    changes: dict[str, object] = field(default_factory=dict)

    @property
    def start_of_names(self) -> str:
        """Return what the names of the form's fields start with."""
        return f"{self.prefix}-" if self.prefix else ""

    @property
    def start_of_ids(self) -> str:
        """Return what the ids of the form's fields start with."""
        return f"id_{self.start_of_names}"

    @property
    def title(self) -> str:
        """Return what the part is called in a list of several: Backend origin."""
        name = self.row.name if self.row and self.kind.has_name else ""
        return f"{self.kind.label} {name}".strip()

    @property
    def is_blank(self) -> bool:
        """Tell whether it is a new part of which nothing was typed."""
        return self.row is None and not any(
            value or name != "name" for name, value in self.changes.items()
        )


def opened(
    kind: Kind,
    row: Part | None,
    names: Names,
    *,
    data: QueryDict | None = None,
    prefix: str = "",
    fields: tuple[str, ...] | None = None,
    initial: dict[str, object] | None = None,
) -> PartEdit:
    """Return the form of a part, with what was sent, or with its values."""
    made = form_for(kind, names, row, fields)
    if initial is None:
        initial = initial_of(row) if row else {}
    form = made(
        data,
        initial=initial,
        prefix=prefix,
        use_required_attribute=bool(row or not prefix),
    )
    start = f"{prefix}-" if prefix else ""
    sent = data.get(f"{start}base") if data is not None else ""
    base = sent or digests_of(kind, row, fields)
    return PartEdit(kind, row, names, form, base, prefix, fields)


def read(edit: PartEdit, data: QueryDict) -> None:
    """Set the changes, the errors and the conflicts of what was sent.

    In a conflict the form starts again from what is saved, except for what the user changed.
    """
    edit.form.is_valid()
    edit.changes, edit.conflicts = _changes_and_conflicts(edit, data)
    if edit.is_blank and edit.prefix:
        form = type(edit.form)(prefix=edit.prefix, use_required_attribute=False)
        edit.changes, edit.form = {}, form
        return
    if edit.kind.segment == "backend" and "port" in edit.changes:
        # What the form shows counts: the port does not switch TLS by itself.
        uses_tls = bool(edit.row and edit.row.value("use_ssl"))
        edit.changes.setdefault("use_ssl", uses_tls)
    _add_rule_errors(edit)
    ask_for_secrets(edit, data)
    if edit.conflicts:
        _start_again_from_saved(edit, data)


def tell(edit: PartEdit, refused: InvalidFields) -> None:
    """Add the errors of a refusal to the form, each at its field if the form has it."""
    form = edit.form
    for name, problem in refused.problems.items():
        if name in form.errors:
            continue
        if name in form.fields:
            form.add_error(name, problem)
        else:
            form.add_error(None, f"{label_of(edit.kind, name)}: {problem}")


def tell_duplicate(edit: PartEdit) -> None:
    """Add the error of a name that another part has."""
    is_log = edit.kind.namespace == "logging"
    what = "a log endpoint" if is_log else edit.kind.with_article
    edit.form.add_error(
        "name", f"This version already has {what} {edit.changes['name']}."
    )


def summary_if_taken_apart(edit: PartEdit, saved: Part) -> str:
    """Return what was made of a URL that was typed as the address; "" if it is as typed."""
    typed = edit.form.cleaned_data.get("address")
    is_as_typed = edit.kind.segment != "backend" or typed == saved.value("address")
    return "" if is_as_typed else shown_part(saved).summary


def previewed(
    version: Version, edits: Iterable[PartEdit]
) -> tuple[VersionConfig | None, dict[tuple[str, str], str], list[ShownFinding]]:
    """Return a version with what is typed, the parts on the page, and what their kinds advise.

    What is not valid counts as unchanged. Without a part that a rule looks at there is no version.
    """
    changed: dict[tuple[str, str], Any] = {}
    added: list[tuple[str, Any]] = []
    here: dict[tuple[str, str], str] = {}
    typed = []
    for edit in edits:
        edit.form.is_valid()  # what is missing is reported when it is saved
        changes = _valid_changes(edit)
        if edit.row is None and edit.prefix and not changes.get("name"):
            continue
        old = edit.row.name if edit.row else ""
        name = str(changes.pop("name", "") or old or NO_NAME)
        values = (edit.row.values if edit.row else {}) | changes
        here[edit.kind.segment, name] = edit.start_of_ids
        typed.append((edit.kind, name, values))
        if described := config_of(edit.kind.segment, name, values):
            place, part = described
            if edit.row:
                changed[place, old] = part
            else:
                added.append((place, part))
    advice = [
        each
        for kind, name, values in typed
        for each in advice_about(kind, name, name, values, version, here)
    ]
    config = _with_parts(version, changed, added) if changed or added else None
    if config and config.missing:
        config = replace(config, missing=tuple(_still_missing(config.missing, typed)))
    return config, here, advice


def _still_missing(
    missing: Iterable[MissingPart], typed: Iterable[tuple[Kind, str, Values]]
) -> Iterator[MissingPart]:
    """Yield the missing parts that the typed values name, and those that other parts name."""
    values_of = {(kind.segment, name): values for kind, name, values in typed}
    for each in missing:
        values = values_of.get((each.kind, each.part))
        if values is None or each in references_of(
            each.kind, each.part, each.key, values
        ):
            yield each


def _with_parts(
    version: Version,
    changed: Mapping[tuple[str, str], Any],
    added: Iterable[tuple[str, Any]],
) -> VersionConfig:
    """Return a version with changed parts, by place and saved name, and with added ones."""
    config = version_config(version)
    found = {
        place: [
            changed.get((place, each.name), each) for each in getattr(config, place)
        ]
        for place in {*(place for place, _ in changed), *(place for place, _ in added)}
    }
    for place, part in added:
        found[place].append(part)
    parts: dict[str, Any] = {place: tuple(rows) for place, rows in found.items()}
    return replace(config, **parts)


def _valid_changes(edit: PartEdit) -> dict[str, Any]:
    """Return the changes without what is not valid, which counts as unchanged."""
    changes = changes_of(edit.kind, edit.form, edit.row)
    try:
        clean(edit.kind, str(changes.get("name", "")), without_name(changes))
    except InvalidFields as refused:
        return {
            name: value
            for name, value in changes.items()
            if name == "name" or name not in refused.problems
        }
    return changes


def without_name(changes: Mapping[str, object]) -> dict[str, object]:
    """Return the changed fields except for the name."""
    return {name: value for name, value in changes.items() if name != "name"}


def touched(edit: PartEdit) -> dict[str, object]:
    """Return the fields that differ from the values that the form started from."""
    base = _base_of(edit.base)
    values = changes_of(edit.kind, edit.form, None)
    return {
        name: value for name, value in values.items() if digest(value) != base.get(name)
    }


@dataclass(frozen=True, slots=True)
class TypedPart:
    """A part that can't be saved, and what the user had typed: labels and values, to copy.

    The value of a secret is None.
    """

    title: str
    typed: list[tuple[str, str | None]]


def typed_part(edit: PartEdit, title: str) -> TypedPart | None:
    """Return what was typed in a form; None if it is as it was."""
    if edit.is_blank:
        return None
    typed = [
        (
            label_of(edit.kind, name),
            None if is_secret(edit.kind, name) else in_words(edit.kind, name, value),
        )
        for name, value in touched(edit).items()
    ]
    return TypedPart(title, typed) if typed else None


# Of a form that was sent for a locked version: clone the version, and save there what was typed.
CLONE: Final = "clone"
# The fields of it that are secrets, which no page carries.
RETYPE: Final = "retype"


def carried_values(data: QueryDict, edits: Iterable[PartEdit]) -> list[tuple[str, str]]:
    """Return what was sent in the forms of parts, for hidden fields: without the secrets.

    Those that were typed are named instead, so that they can be asked for.
    """
    secrets = {
        f"{edit.start_of_names}{name}"
        for edit in edits
        for name in edit.form.fields
        if is_secret(edit.kind, name)
    }
    left_out = {*secrets, "csrfmiddlewaretoken", "save", CLONE}
    typed = [(RETYPE, name) for name in sorted(secrets) if data.get(name)]
    return typed + [
        (name, value)
        for name, values in data.lists()
        if name not in left_out
        for value in values
    ]


def ask_for_secrets(edit: PartEdit, data: QueryDict) -> None:
    """Add an error to each secret that was typed and not carried from the locked version."""
    for name in edit.form.fields:
        key = f"{edit.start_of_names}{name}"
        if key in data.getlist(RETYPE) and not data.get(key):
            edit.form.add_error(name, "Type it again: it was not copied to this draft.")


def is_secret(kind: Kind, name: str) -> bool:
    """Return whether pages must not show the value of a field."""
    declared = kind.by_name.get(name)
    return declared is not None and declared.secret


def in_words(kind: Kind, name: str, value: object) -> str:
    """Return the value of a field as pages show it."""
    declared = kind.by_name.get(name)
    return declared.words(value) if declared else str(value)


def _changes_and_conflicts(
    edit: PartEdit, data: QueryDict
) -> tuple[dict[str, object], tuple[FieldConflict, ...]]:
    """Return what the user changed, and the fields that someone else changed meanwhile, too.

    A field for which the user chose the saved value is not changed.
    """
    base = _base_of(edit.base)
    saved = stored_values(edit.kind, edit.row)
    changes = changes_of(edit.kind, edit.form, edit.row)
    conflicts = []
    for name in list(changes):
        value, other = changes[name], saved.get(name)
        choice = f"{edit.start_of_names}use_{name}"
        untouched = digest(value) == base.get(name) and edit.row is not None
        if untouched or data.get(choice) == "saved":
            del changes[name]
        elif name in base and base[name] != digest(other) and not same(value, other):
            conflicts.append(_conflict(edit.kind, name, choice, value, other))
    return changes, tuple(conflicts) if edit.row else ()


def _base_of(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _conflict(
    kind: Kind, name: str, choice: str, mine: object, other: object
) -> FieldConflict:
    label = label_of(kind, name)
    if is_secret(kind, name):
        return FieldConflict(
            name, choice, label, "the one that you typed", "another one"
        )
    mine_in_words, saved = in_words(kind, name, mine), in_words(kind, name, other)
    return FieldConflict(name, choice, label, mine_in_words, saved)


def _start_again_from_saved(edit: PartEdit, sent: QueryDict) -> None:
    """Fill the form with what is saved now, except for what the user changed."""
    assert edit.row is not None  # noqa: S101 - a new part has no conflicts
    data = sent.copy()
    initial = initial_of(edit.row)
    for name, value in initial.items():
        if name in edit.changes or name not in edit.form.fields:
            continue
        key = f"{edit.start_of_names}{name}"
        data.pop(key, None)
        if isinstance(value, list):
            data.setlist(key, value)
        elif value not in (None, False):
            data[key] = str(value) if value is not True else "on"
    edit.base = digests_of(edit.kind, edit.row, edit.fields)
    made = form_for(edit.kind, edit.names, edit.row, edit.fields)
    edit.form = made(data, initial=initial, prefix=edit.prefix)


def _add_rule_errors(edit: PartEdit) -> None:
    """Add all errors together: those of fields that are missing, and those of the rules."""
    row, changes = edit.row, edit.changes
    name = str(changes.get("name", row.name if row else ""))
    try:
        clean(edit.kind, name, (row.values if row else {}) | without_name(changes))
    except InvalidFields as refused:
        tell(edit, refused)
