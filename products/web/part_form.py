"""The page of one part of a draft: add, change, remove; and the findings while typing."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from products.deploy.decision import decision_without_person
from products.services.commands import parts as commands
from products.services.commands.locking import Duplicate
from products.services.commands.parts import StaleRevision
from products.services.kinds import KINDS, Kind
from products.services.models import Part, Version
from products.services.queries import find_single, get_part, get_version
from products.services.validation import InvalidFields
from products.web.backend_import import BackendImport, backend_import, copied_fields
from products.web.finding_links import advice_about
from products.web.part_edit import (
    CLONE,
    PartEdit,
    TypedPart,
    carried_values,
    opened,
    previewed,
    read,
    summary_if_taken_apart,
    tell,
    tell_duplicate,
    typed_part,
    without_name,
)
from products.web.part_forms import grouped, main_fields, names_in, with_removals
from products.web.removed_parts import remember
from products.web.version_page import (
    clone_to_edit,
    findings_context,
    version_context,
)

# Someone else would have to change the version at the same moment each time.
MAX_TRIES: Final = 3


@login_required
@require_POST
def preview(
    request: HttpRequest, service_id: str, number: int, kind: str
) -> HttpResponse:
    """Return the findings as they would be with the values in the form; saves nothing."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    declared = KINDS[kind]
    row = _row(found, declared, request.POST.get("was", ""))
    edit = opened(declared, row, names_in(found, declared), data=request.POST)
    return preview_of(request, actor, found, [edit])


def preview_of(
    request: HttpRequest, actor: Actor, version: Version, edits: Sequence[PartEdit]
) -> HttpResponse:
    """Return the findings of a version as they would be with what was sent."""
    config, here, advice = previewed(version, edits)
    decision = decision_without_person(version, config=config)
    context = findings_context(actor, version, decision, here, advice)
    return render(
        request, "products/_findings_update.html", context | {"unsaved": True}
    )


def _row(version: Version, kind: Kind, key: str) -> Part | None:
    """Return the part that a page is about; None for a new one. Raises NotFound."""
    if kind.single:
        return find_single(version, kind.segment)
    return get_part(version, kind.segment, key) if key else None


@dataclass(slots=True)
class _Page:
    """One request to the page of a part."""

    request: HttpRequest
    actor: Actor
    version: Version
    edit: PartEdit
    importing: BackendImport | None = None  # of a new backend
    status: HTTPStatus = HTTPStatus.OK


@login_required
@require_http_methods(["GET", "POST"])
def part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str = ""
) -> HttpResponse:
    """Add or change a part of a draft; shows both values if someone else changed the same field."""
    actor = actor_of(request)
    page = _opened(request, actor, get_version(actor, service_id, number), kind, name)
    if CLONE in request.POST and page.version.locked:
        return _send_to_clone(page)
    if request.method == "POST":
        tries = 1
        while not _try_to_save(page):
            tries += 1
            if tries > MAX_TRIES:
                raise Conflict("Others are changing this version. Try again.")
            fresh = get_version(actor, service_id, number)
            page = _opened(request, actor, fresh, kind, name)
        if page.status is HTTPStatus.SEE_OTHER:
            return redirect("version", service_id=service_id, number=number)
    return render(request, "products/part.html", _context(page), status=page.status)


def _send_to_clone(page: _Page) -> HttpResponse:
    """Clone the version, and let the browser send the same form to the part in the clone."""
    clone = clone_to_edit(page.request, page.actor, page.version)
    kind, row = page.edit.kind.segment, page.edit.row
    if row is None:
        url = reverse("add_part", args=[clone.service_id, clone.number, kind])
    else:
        # Some kinds have new ids in a clone, but all parts have their positions.
        copied = clone.parts.get(kind=kind, position=row.position)
        args = [clone.service_id, clone.number, kind, copied.key or row.declared.slug]
        url = reverse("edit_part", args=args)
    return redirect(url, preserve_request=True)


def _opened(
    request: HttpRequest, actor: Actor, version: Version, kind: str, name: str
) -> _Page:
    declared = KINDS[kind]
    row = _row(version, declared, name)
    is_new_backend = kind == "backend" and row is None
    importing = backend_import(actor, version, request.GET) if is_new_backend else None
    copied = importing.copied if importing else None
    edit = opened(
        declared,
        row,
        names_in(version, declared),
        data=request.POST if request.method == "POST" else None,
        initial=copied_fields(copied) if copied else None,
    )
    return _Page(request, actor, version, edit, importing)


def _context(page: _Page) -> dict[str, Any]:
    edit = page.edit
    kind, row = edit.kind, edit.row
    name = row.key if row else ""
    here = {(kind.segment, name): edit.start_of_ids}
    main = main_fields(kind)
    decision = decision_without_person(page.version)
    advice = (
        advice_about(kind, row.name, name, row.values, page.version, here)
        if row
        else ()
    )
    return (
        version_context(page.actor, page.version)
        | {
            "kind": kind,
            "row": row,
            "base": edit.base,
            "typed": _not_saved(page),
            "carried": carried_values(page.request.POST, [edit]),
            "conflicts": edit.conflicts,
            "importing": page.importing,
            "form": edit.form,
            "main": with_removals(edit.form, main),
            "groups": grouped(kind, edit.form),
            "further_open": _is_further_open(page, main),
            "changeable": row is None or not kind.single or "updated" in kind.verbs,
            "removable": row is not None and "deleted" in kind.verbs,
        }
        | findings_context(page.actor, page.version, decision, here, advice)
    )


def _not_saved(page: _Page) -> list[TypedPart]:
    """Return what was sent for a version that is locked."""
    if page.request.method != "POST" or not page.version.locked:
        return []
    typed = typed_part(page.edit, page.edit.kind.label)
    return [typed] if typed else []


def _is_further_open(page: _Page, main: tuple[str, ...]) -> bool:
    """Tell whether the further settings have an error, a conflict, the field of the link, or copies."""
    wanted = {
        *page.edit.form.errors,
        *(each.name for each in page.edit.conflicts),
        page.request.GET.get("field", ""),
    }
    is_copied = bool(page.importing and page.importing.copied)
    return is_copied or not wanted <= {"", "__all__", *main}


def _try_to_save(page: _Page) -> bool:
    """Save a part, or set what prevents it; return False if the version just changed."""
    edit = page.edit
    page.status = HTTPStatus.BAD_REQUEST
    read(edit, page.request.POST)
    if edit.conflicts:
        page.status = HTTPStatus.CONFLICT
        return True
    if edit.form.errors:
        return True
    try:
        saved = _save(page)
        messages.success(page.request, _saved_words(edit, saved))
        page.status = HTTPStatus.SEE_OTHER
    except InvalidFields as refused:
        tell(edit, refused)
    except Invalid as refused:
        edit.form.add_error(None, refused.message)
    except StaleRevision:
        return False
    except Duplicate:
        page.status = HTTPStatus.CONFLICT
        tell_duplicate(edit)
    except Conflict as refused:
        page.status = HTTPStatus.CONFLICT
        edit.form.add_error(None, refused.message)
    return True


def _save(page: _Page) -> Part:
    """Save what was typed. Raises Conflict, Invalid and StaleRevision."""
    kind, row, changes = page.edit.kind, page.edit.row, page.edit.changes
    version, segment, now = page.version, kind.segment, timezone.now()
    if kind.single and (row or "created" not in kind.verbs):
        return commands.set_single(
            page.actor, version=version, kind=segment, changes=changes, now=now
        )
    if row is None:
        return commands.add_part(
            page.actor,
            version=version,
            kind=segment,
            name=str(changes.get("name", "")),
            fields=without_name(changes),
            now=now,
        )
    return commands.change_part(
        page.actor,
        version=version,
        kind=segment,
        name=row.key,
        changes=changes,
        expected_revision=version.revision,
        now=now,
    )


def _saved_words(edit: PartEdit, saved: Part) -> str:
    title = f"{edit.kind.label} {saved.name if edit.kind.has_name else ''}".strip()
    summary = summary_if_taken_apart(edit, saved)
    return f"{title} saved: {summary}." if summary else f"{title} saved."


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
