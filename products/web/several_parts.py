"""The page of several parts of a draft: domains and backends, or one kind, in one form with one save.

Of each part it has the settings that are shown first; the others are on the part's own page. The
parts are found by their ids, so that what someone else renames is not lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby
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
from accounts.errors import Conflict, Invalid, NotFound
from products.deploy.decision import decision_without_person
from products.services.commands.locking import Duplicate
from products.services.commands.parts import PartUpdate, StaleRevision, change_parts
from products.services.kinds import KINDS, Kind
from products.services.kinds.kind import Ids
from products.services.models import Part, Version
from products.services.queries import all_parts, get_version
from products.web.finding_links import advice_about
from products.web.part_edit import (
    CLONE,
    PartEdit,
    TypedPart,
    carried_values,
    opened,
    read,
    tell_duplicate,
    touched,
    typed_part,
)
from products.web.part_form import MAX_TRIES, preview_of
from products.web.part_forms import Names, main_fields, names_in, with_removals
from products.web.version_page import (
    NUMBER,
    clone_to_edit,
    findings_context,
    version_context,
)

USUAL: Final = ("domain", "backend")
MAX_SHOWN: Final = 10  # of each kind: the form of a backend is long
NEW: Final = "new"  # in place of the id of a part


@dataclass(slots=True)
class _PartsPage:
    """One request to the page of several parts."""

    request: HttpRequest
    actor: Actor
    version: Version
    kinds: list[Kind]
    edits: list[PartEdit] = field(default_factory=list)
    removed: list[TypedPart] = field(default_factory=list)
    beyond: dict[str, tuple[int, int]] = field(default_factory=dict)
    problem: str = ""
    status: HTTPStatus = HTTPStatus.OK


@login_required
@require_http_methods(["GET", "POST"])
def several_parts(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Change several parts of a draft together: all are saved, or none."""
    actor = actor_of(request)
    page = _opened(request, actor, get_version(actor, service_id, number))
    if CLONE in request.POST and page.version.locked:
        return _send_to_clone(page)
    if request.method == "POST":
        tries = 1
        while not _try_to_save(page):
            tries += 1
            if tries > MAX_TRIES:
                raise Conflict("Others are changing this version. Try again.")
            page = _opened(request, actor, get_version(actor, service_id, number))
        if page.status is HTTPStatus.SEE_OTHER:
            return redirect("version", service_id=service_id, number=number)
    return render(
        request, "products/several_parts.html", _context(page), status=page.status
    )


def _send_to_clone(page: _PartsPage) -> HttpResponse:
    """Clone the version, and let the browser send the same form to the page of the clone."""
    clone = clone_to_edit(page.request, page.actor, page.version)
    url = reverse("edit_parts", args=[clone.service_id, clone.number])
    query = page.request.GET.urlencode()
    return redirect(f"{url}?{query}" if query else url, preserve_request=True)


@login_required
@require_POST
def preview_several(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Return the findings as they would be with the values in the form; saves nothing."""
    actor = actor_of(request)
    version = get_version(actor, service_id, number)
    page = _opened(request, actor, version)
    return preview_of(request, actor, version, page.edits)


def _opened(request: HttpRequest, actor: Actor, version: Version) -> _PartsPage:
    """Return the page with the parts that were sent, or with those that it shows first."""
    page = _PartsPage(request, actor, version, _kinds(request))
    rows = all_parts(version)
    names = {kind.segment: names_in(version, kind) for kind in page.kinds}
    if request.method == "POST":
        _open_sent(page, rows, names)
    else:
        _open_saved(page, rows, names)
    return page


def _kinds(request: HttpRequest) -> list[Kind]:
    """Return the kinds of the parts on the page. Raises NotFound for one without names."""
    segments = [request.GET["kind"]] if "kind" in request.GET else USUAL
    kinds = [KINDS[each] for each in segments if each in KINDS]
    if not kinds or not all(kind.has_name for kind in kinds):
        raise NotFound("Parts of this kind are edited one by one.")
    return kinds


def _open_saved(
    page: _PartsPage, rows: Mapping[str, list[Part]], names: Mapping[str, Names]
) -> None:
    after = page.request.GET.get("after", "")
    first = int(after) if NUMBER.fullmatch(after) else -1
    for kind in page.kinds:
        left = [row for row in rows[kind.segment] if row.position > first]
        shown = left[:MAX_SHOWN]
        fields = main_fields(kind)
        page.edits += [
            opened(kind, row, names[kind.segment], prefix=row.public_id, fields=fields)
            for row in shown
        ]
        if len(left) > len(shown):
            page.beyond[kind.segment] = len(left) - len(shown), shown[-1].position
        elif kind.offered_to(page.version.service.type):
            page.edits.append(_new(page, kind, names[kind.segment]))


def _open_sent(
    page: _PartsPage, rows: Mapping[str, list[Part]], names: Mapping[str, Names]
) -> None:
    ids = set(page.request.POST.getlist("part"))
    for kind in page.kinds:
        found = {row.public_id: row for row in rows[kind.segment]}
        sent = [each for each in ids if each.startswith(f"{kind.segment}:")]
        order = {key: position for position, key in enumerate(found)}
        keys = [each.partition(":")[2] for each in sent]
        for key in sorted(keys, key=lambda each: order.get(each, len(order))):
            if key in found:
                edit = opened(
                    kind,
                    found[key],
                    names[kind.segment],
                    data=page.request.POST,
                    prefix=key,
                    fields=main_fields(kind),
                )
                page.edits.append(edit)
            elif key == NEW:
                page.edits.append(_new(page, kind, names[kind.segment]))
            else:
                _note_removed(page, kind, key, names[kind.segment])


def _new(page: _PartsPage, kind: Kind, names: Names) -> PartEdit:
    return opened(
        kind,
        None,
        names,
        data=page.request.POST if page.request.method == "POST" else None,
        prefix=f"{NEW}-{kind.slug}",
        fields=main_fields(kind),
    )


def _note_removed(page: _PartsPage, kind: Kind, key: str, names: Names) -> None:
    """Keep what was typed for a part that is gone, unless it is as it was."""
    edit = opened(
        kind,
        None,
        names,
        data=page.request.POST,
        prefix=key,
        fields=main_fields(kind),
    )
    edit.form.is_valid()
    edit.changes = touched(edit)
    name = str(edit.form.cleaned_data.get("name") or "")
    if typed := typed_part(edit, f"{kind.label} {name}".strip()):
        page.removed.append(typed)


def _try_to_save(page: _PartsPage) -> bool:
    """Save all parts, or set what prevents it; return False if the version just changed."""
    for edit in page.edits:
        read(edit, page.request.POST)
    if page.removed or any(edit.conflicts for edit in page.edits):
        page.status = HTTPStatus.CONFLICT
        return True
    page.status = HTTPStatus.BAD_REQUEST
    if any(edit.form.errors for edit in page.edits):
        return True
    try:
        changed = _save(page)
    except StaleRevision:
        return False
    except (Conflict, Invalid) as refused:
        _tell(page, refused)
        return True
    words = ", ".join(_title(edit) for edit in changed)
    messages.success(page.request, f"Saved: {words}." if words else "No changes.")
    page.status = HTTPStatus.SEE_OTHER
    return True


def _save(page: _PartsPage) -> list[PartEdit]:
    """Save what was changed, and return it. Raises Conflict and Invalid."""
    changed = [edit for edit in page.edits if edit.changes]
    change_parts(
        page.actor,
        version=page.version,
        changes=[_change(edit) for edit in changed],
        expected_revision=page.version.revision,
        now=timezone.now(),
    )
    return changed


def _tell(page: _PartsPage, refused: Conflict | Invalid) -> None:
    """Show a refusal, at the name if it is about one that another part has."""
    if isinstance(refused, Conflict):
        page.status = HTTPStatus.CONFLICT
    taken = refused.name if isinstance(refused, Duplicate) else None
    named = [edit for edit in page.edits if edit.changes.get("name", "") == taken]
    for edit in named:
        tell_duplicate(edit)
    if not named:
        page.problem = refused.message


def _change(edit: PartEdit) -> PartUpdate:
    name = edit.row.key if edit.row else ""
    return PartUpdate(kind=edit.kind.segment, name=name, changes=edit.changes)


def _title(edit: PartEdit) -> str:
    name = edit.changes.get("name") or (edit.row.name if edit.row else "")
    return f"{edit.kind.in_sentence} {name}"


def _context(page: _PartsPage) -> dict[str, Any]:
    here = {
        (edit.kind.segment, edit.row.name): edit.start_of_ids
        for edit in page.edits
        if edit.row
    }
    advice = [
        each
        for edit in page.edits
        if edit.row
        for each in advice_about(
            edit.kind,
            edit.row.name,
            edit.row.key,
            edit.row.values,
            page.version,
            here,
        )
    ]
    decision = decision_without_person(page.version)
    return (
        version_context(page.actor, page.version)
        | {
            "title": _words_of(page.kinds),
            "sections": list(_sections(page)),
            "edits": page.edits,
            "has_errors": any(edit.form.errors for edit in page.edits),
            "conflicting": [edit for edit in page.edits if edit.conflicts],
            "removed": page.removed,
            "typed": list(_not_saved(page)) if page.version.locked else [],
            "carried": _carried(page),
            "problem": page.problem,
        }
        | findings_context(page.actor, page.version, decision, here, advice)
    )


def _carried(page: _PartsPage) -> list[tuple[str, str]]:
    """Return what the form can send to a clone; nothing if its parts have new ids there."""
    if any(kind.ids is Ids.NEW for kind in page.kinds):
        return []
    return carried_values(page.request.POST, page.edits)


def _not_saved(page: _PartsPage) -> Iterable[TypedPart]:
    """Yield what was sent and could not be saved, by part."""
    if page.request.method != "POST":
        return
    for edit in page.edits:
        title = edit.title if edit.row else f"New {edit.kind.in_sentence}"
        if typed := typed_part(edit, title):
            yield typed


def _words_of(kinds: Iterable[Kind]) -> str:
    words = " and ".join(kind.plural_in_sentence for kind in kinds)
    return words[:1].upper() + words[1:]


def _sections(page: _PartsPage) -> Iterable[dict[str, Any]]:
    """Yield the parts by kind, each with its fields; and how many are on further pages."""
    for kind, edits in groupby(page.edits, key=lambda edit: edit.kind):
        more, last = page.beyond.get(kind.segment, (0, 0))
        yield {
            "kind": kind,
            "has_advanced": any(each.group for each in kind.settable),
            "parts": [
                (edit, with_removals(edit.form, edit.fields or ())) for edit in edits
            ],
            "more": more,
            "last": last,
        }
