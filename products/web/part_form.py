"""The page of one part of a draft: add, change, remove; and the findings while typing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from products.compatibility.version_config import VersionConfig
from products.deploy.decision import decision_without_person
from products.services.commands import parts as commands
from products.services.commands.locking import Duplicate
from products.services.commands.parts import StaleRevision
from products.services.describe import config_of, version_config
from products.services.kinds import KINDS, Kind
from products.services.models import Part, Version
from products.services.queries import find_single, get_part, get_version
from products.services.validation import InvalidFields, clean
from products.web.backend_import import BackendImport, backend_import, copied_fields
from products.web.finding_links import advice_about
from products.web.part_forms import (
    changes_of,
    digest,
    digests_of,
    form_for,
    grouped,
    initial_of,
    main_fields,
    names_in,
    same,
    stored_values,
    with_removals,
)
from products.web.parts import label_of, shown_part
from products.web.removed_parts import remember
from products.web.version_page import findings_context, version_context

# Someone else would have to change the version at the same moment each time.
MAX_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that the user and someone else changed to different values, in words."""

    name: str
    label: str
    mine: str
    saved: str


@login_required
@require_POST
def preview(
    request: HttpRequest, service_id: str, number: int, kind: str
) -> HttpResponse:
    """Return the findings as they would be with the values in the form; saves nothing."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    declared = KINDS[kind]
    was = request.POST.get("was", "")
    row = _row(found, declared, was)
    form = form_for(declared, names_in(found, declared), row)(request.POST)
    form.is_valid()  # what is missing is reported when it is saved
    changes = _valid_changes(declared, form, row)
    name = str(changes.pop("name", "") or was or "without a name")
    values = (row.values if row else {}) | changes
    draft = _with_part(found, declared, row, name, values)
    decision = decision_without_person(found, config=draft)
    here = (kind, name)
    advice = advice_about(declared, name, name, values, found, here)
    context = findings_context(actor, found, decision, here, advice) | {"unsaved": True}
    return render(request, "products/_findings_update.html", context)


def _valid_changes(kind: Kind, form: forms.Form, row: Part | None) -> dict[str, Any]:
    """Return the changes without what is not valid, which counts as unchanged."""
    changes = changes_of(kind, form, row)
    try:
        clean(kind, str(changes.get("name", "")), _without_name(changes))
    except InvalidFields as refused:
        return {
            name: value
            for name, value in changes.items()
            if name == "name" or name not in refused.problems
        }
    return changes


def _without_name(changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name != "name"}


def _with_part(
    version: Version, kind: Kind, row: Part | None, name: str, values: dict[str, object]
) -> VersionConfig | None:
    """Return the version with a changed part; None for kinds that no rule looks at."""
    described = config_of(kind.segment, name, values)
    if described is None:
        return None
    place, part = described
    config = version_config(version)
    parts = [
        part if row and each.name == row.name else each
        for each in getattr(config, place)
    ]
    changed: dict[str, Any] = {place: tuple(parts if row else [*parts, part])}
    return replace(config, **changed)


def _row(version: Version, kind: Kind, key: str) -> Part | None:
    """Return the part that a page is about; None for a new one. Raises NotFound."""
    if kind.single:
        return find_single(version, kind.segment)
    return get_part(version, kind.segment, key) if key else None


@dataclass(slots=True)
class _Edit:
    """One request to the page of a part."""

    request: HttpRequest
    actor: Actor
    version: Version
    kind: Kind
    row: Part | None
    form: forms.Form
    importing: BackendImport | None = None  # of a new backend
    base: str = ""  # the digests of the values that the form started from
    conflicts: tuple[FieldConflict, ...] = ()
    status: HTTPStatus = HTTPStatus.OK


@login_required
@require_http_methods(["GET", "POST"])
def part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str = ""
) -> HttpResponse:
    """Add or change a part of a draft; shows both values if someone else changed the same field."""
    actor = actor_of(request)
    edit = _opened(request, actor, get_version(actor, service_id, number), kind, name)
    if request.method == "POST":
        tries = 1
        while not _try_to_save(edit):
            tries += 1
            if tries > MAX_TRIES:
                raise Conflict("Others are changing this version. Try again.")
            fresh = get_version(actor, service_id, number)
            edit = _opened(request, actor, fresh, kind, name)
        if edit.status is HTTPStatus.SEE_OTHER:
            return redirect("version", service_id=service_id, number=number)
    return render(request, "products/part.html", _context(edit), status=edit.status)


def _opened(
    request: HttpRequest, actor: Actor, version: Version, kind: str, name: str
) -> _Edit:
    declared = KINDS[kind]
    row = _row(version, declared, name)
    made = form_for(declared, names_in(version, declared), row)
    is_new_backend = kind == "backend" and row is None
    importing = backend_import(actor, version, request.GET) if is_new_backend else None
    initial = initial_of(row) if row else None
    if importing and importing.copied:
        initial = copied_fields(importing.copied)
    form = made(request.POST if request.method == "POST" else None, initial=initial)
    base = request.POST.get("base") or digests_of(declared, row)
    return _Edit(request, actor, version, declared, row, form, importing, base)


def _context(edit: _Edit) -> dict[str, Any]:
    kind, row = edit.kind, edit.row
    name = row.key if row else ""
    here = (kind.segment, name)
    main = main_fields(kind)
    decision = decision_without_person(edit.version)
    advice = (
        advice_about(kind, row.name, name, row.values, edit.version, here)
        if row
        else ()
    )
    return (
        version_context(edit.actor, edit.version)
        | {
            "kind": kind,
            "row": row,
            "base": edit.base,
            "conflicts": edit.conflicts,
            "importing": edit.importing,
            "form": edit.form,
            "main": with_removals(edit.form, main),
            "groups": grouped(kind, edit.form),
            "further_open": _is_further_open(edit, main),
            "changeable": row is None or not kind.single or "updated" in kind.verbs,
            "removable": row is not None and "deleted" in kind.verbs,
        }
        | findings_context(edit.actor, edit.version, decision, here, advice)
    )


def _is_further_open(edit: _Edit, main: tuple[str, ...]) -> bool:
    """Tell whether the further settings have an error, a conflict, the field of the link, or copies."""
    wanted = {
        *edit.form.errors,
        *(each.name for each in edit.conflicts),
        edit.request.GET.get("field", ""),
    }
    is_copied = bool(edit.importing and edit.importing.copied)
    return is_copied or not wanted <= {"", "__all__", *main}


def _try_to_save(edit: _Edit) -> bool:
    """Save a part, or set what prevents it; return False if the version just changed."""
    kind, row, form = edit.kind, edit.row, edit.form
    edit.status = HTTPStatus.BAD_REQUEST
    form.is_valid()
    changes, edit.conflicts = _changes_and_conflicts(edit)
    _add_rule_errors(kind, row, form, changes)
    if edit.conflicts:
        edit.status = HTTPStatus.CONFLICT
        _start_again_from_saved(edit, changes)
        return True
    if form.errors:
        return True
    try:
        saved = _save(edit, changes)
        messages.success(edit.request, _saved_words(edit, saved))
        edit.status = HTTPStatus.SEE_OTHER
    except InvalidFields as refused:
        _tell(form, refused)
    except Invalid as refused:
        form.add_error(None, refused.message)
    except StaleRevision:
        return False
    except Duplicate:
        edit.status = HTTPStatus.CONFLICT
        what = "a log endpoint" if kind.namespace == "logging" else kind.with_article
        form.add_error("name", f"This version already has {what} {changes['name']}.")
    except Conflict as refused:
        edit.status = HTTPStatus.CONFLICT
        form.add_error(None, refused.message)
    return True


def _save(edit: _Edit, changes: dict[str, object]) -> Part:
    """Save what was typed. Raises Conflict, Invalid and StaleRevision."""
    kind, row, now = edit.kind, edit.row, timezone.now()
    version, segment = edit.version, edit.kind.segment
    if segment == "backend" and "port" in changes:
        # What the form shows counts: the port does not switch TLS by itself.
        changes.setdefault("use_ssl", bool(row and row.value("use_ssl")))
    if kind.single and (row or "created" not in kind.verbs):
        return commands.set_single(
            edit.actor, version=version, kind=segment, changes=changes, now=now
        )
    if row is None:
        return commands.add_part(
            edit.actor,
            version=version,
            kind=segment,
            name=str(changes.get("name", "")),
            fields=_without_name(changes),
            now=now,
        )
    return commands.change_part(
        edit.actor,
        version=version,
        kind=segment,
        name=row.key,
        changes=changes,
        expected_revision=version.revision,
        now=now,
    )


def _saved_words(edit: _Edit, saved: Part) -> str:
    title = f"{edit.kind.label} {saved.name if edit.kind.has_name else ''}".strip()
    typed = edit.form.cleaned_data.get("address")
    if edit.kind.segment == "backend" and typed != saved.value("address"):
        return f"{title} saved: {shown_part(saved).summary}."
    return f"{title} saved."


def _changes_and_conflicts(
    edit: _Edit,
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
        untouched = digest(value) == base.get(name) and edit.row is not None
        if untouched or edit.request.POST.get(f"use_{name}") == "saved":
            del changes[name]
        elif name in base and base[name] != digest(other) and not same(value, other):
            conflicts.append(_conflict(edit.kind, name, value, other))
    return changes, tuple(conflicts) if edit.row else ()


def _base_of(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _conflict(kind: Kind, name: str, mine: object, other: object) -> FieldConflict:
    declared = kind.by_name.get(name)
    label = label_of(kind, name)
    if declared is None:
        return FieldConflict(name, label, str(mine), str(other))
    if declared.secret:
        return FieldConflict(name, label, "the one that you typed", "another one")
    return FieldConflict(name, label, declared.words(mine), declared.words(other))


def _start_again_from_saved(edit: _Edit, changes: Mapping[str, object]) -> None:
    """Fill the form with what is saved now, except for what the user changed."""
    assert edit.row is not None  # noqa: S101 - a new part has no conflicts
    data: QueryDict = edit.request.POST.copy()
    for name, value in initial_of(edit.row).items():
        if name in changes:
            continue
        data.pop(name, None)
        if isinstance(value, list):
            data.setlist(name, value)
        elif value not in (None, False):
            data[name] = str(value) if value is not True else "on"
    edit.base = digests_of(edit.kind, edit.row)
    names = names_in(edit.version, edit.kind)
    edit.form = form_for(edit.kind, names, edit.row)(data, initial=initial_of(edit.row))


def _add_rule_errors(
    kind: Kind, row: Part | None, form: forms.Form, changes: Mapping[str, object]
) -> None:
    """Add all errors together: those of fields that are missing, and those of the rules."""
    name = str(changes.get("name", row.name if row else ""))
    try:
        clean(kind, name, (row.values if row else {}) | _without_name(changes))
    except InvalidFields as refused:
        _tell(form, refused)


def _tell(form: forms.Form, refused: InvalidFields) -> None:
    for field, problem in refused.problems.items():
        if field not in form.errors:
            form.add_error(field if field in form.fields else None, problem)


@login_required
@require_POST
def remove_part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str
) -> HttpResponse:
    """Remove a part from a draft."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    row = get_part(found, kind, "" if KINDS[kind].single else name)
    try:
        removed = commands.remove_part(
            actor, version=found, kind=kind, name=row.key, now=timezone.now()
        )
        title = f"{row.declared.label} {row if row.declared.has_name else ''}".strip()
        undo = " You can restore it below." if remember(request, found, removed) else ""
        messages.success(request, f"{title} removed.{undo}")
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)
