"""The form of one part of a draft: add, change, remove; and the findings while typing."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from products.compatibility.version_config import VersionConfig
from products.deploy.decision import decision_without_person
from products.services.commands import parts as commands
from products.services.commands.parts import StaleRevision
from products.services.describe import config_of, version_config
from products.services.kinds import KINDS, Kind
from products.services.models import Part, Version
from products.services.queries import get_part, get_version
from products.services.validation import InvalidFields, clean
from products.web.parts import (
    changes_of,
    form_for,
    grouped,
    initial_of,
    label_of,
    main_fields,
    with_removals,
)
from products.web.version_page import NUMBER, findings_context, version_context


@login_required
@require_POST
def preview(
    request: HttpRequest, service_id: str, number: int, kind: str
) -> HttpResponse:
    """Return the findings as they would be with the values in the form; saves nothing."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    was = request.POST.get("was", "")
    row = get_part(found, kind, was) if was else None
    form = form_for(KINDS[kind], row)(request.POST)
    form.is_valid()  # a value that does not parse counts as unchanged; saving reports it
    draft = _with_part(found, KINDS[kind], row, form)
    here = (kind, str(form.cleaned_data.get("name", was)))
    decision = decision_without_person(found, config=draft)
    context = findings_context(actor, found, decision, here) | {"unsaved": True}
    return render(request, "products/_findings.html", context)


def _with_part(
    version: Version, kind: Kind, row: Part | None, form: forms.Form
) -> VersionConfig | None:
    """Return the version with the part as in the form; None for kinds that no rule looks at."""
    changes = changes_of(kind, form, row)
    name = str(changes.pop("name", row.name if row else "") or "without a name")
    described = config_of(kind.segment, name, (row.values if row else {}) | changes)
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


@login_required
@require_http_methods(["GET", "POST"])
def part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str = ""
) -> HttpResponse:
    """Add or change a part of a draft; shows both values if someone else changed it meanwhile."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    declared = KINDS[kind]
    row = get_part(found, kind, name) if name else None
    posted = request.method == "POST"
    made = form_for(declared, row)
    form = (
        made(request.POST) if posted else made(initial=initial_of(row) if row else None)
    )
    context = version_context(actor, found) | {
        "kind": declared,
        "row": row,
        "revision": _revision(request) or found.revision,
    }
    status = HTTPStatus.OK
    if posted:
        try:
            if _save(request, actor, found, declared, row, form):
                label = form.cleaned_data["name"]
                messages.success(request, f"{declared.label} {label} saved.")
                return redirect("version", service_id=service_id, number=number)
            status = HTTPStatus.BAD_REQUEST
        except StaleRevision as stale:
            # The form now has the newest revision: saving it again overwrites the other change.
            status = HTTPStatus.CONFLICT
            context |= {
                "revision": stale.revision,
                "stale_lines": _lines(declared, stale),
            }
        except Conflict as refused:
            status = HTTPStatus.CONFLICT
            form.add_error(None, refused.message)
    main = main_fields(declared)
    context |= {
        "form": form,
        "main": with_removals(form, main),
        "groups": grouped(declared, form),
        "further_open": bool(form.errors)
        or request.GET.get("field") not in {None, *main},
    }
    context |= findings_context(
        actor, found, decision_without_person(found), (kind, name)
    )
    return render(request, "products/part.html", context, status=status)


def _save(
    request: HttpRequest,
    actor: Actor,
    found: Version,
    kind: Kind,
    row: Part | None,
    form: forms.Form,
) -> bool:
    """Save a part; return False if the form has errors. Raises Conflict and StaleRevision."""
    if not form.is_valid():
        _add_rule_errors(kind, row, form)
        return False
    now = timezone.now()
    values = changes_of(kind, form, row)
    try:
        if row:
            commands.change_part(
                actor,
                version=found,
                kind=kind.segment,
                name=row.key,
                changes=values,
                expected_revision=_revision(request),
                now=now,
            )
        else:
            label = str(values.pop("name"))
            commands.add_part(
                actor,
                version=found,
                kind=kind.segment,
                name=label,
                fields=values,
                now=now,
            )
    except InvalidFields as refused:
        _tell(form, refused)
    except Invalid as refused:
        form.add_error(None, refused.message)
    return not form.errors


def _add_rule_errors(kind: Kind, row: Part | None, form: forms.Form) -> None:
    """Add the errors of the fields that parse, so that all errors are shown together."""
    changes = changes_of(kind, form, row)
    label = str(changes.pop("name", ""))
    try:
        clean(kind, label, (row.values if row else {}) | changes)
    except InvalidFields as refused:
        _tell(form, refused)


def _tell(form: forms.Form, refused: InvalidFields) -> None:
    for field, problem in refused.problems.items():
        if field not in form.errors:
            form.add_error(field if field in form.fields else None, problem)


def _lines(kind: Kind, stale: StaleRevision) -> list[dict[str, object]]:
    return [
        {
            "field": label_of(kind, field),
            "saved": stale.current.get(field),
            "yours": stale.wanted[field],
        }
        for field in stale.wanted
    ]


def _revision(request: HttpRequest) -> int | None:
    word = request.POST.get("revision", "")
    return int(word) if NUMBER.fullmatch(word) else None


@login_required
@require_POST
def remove_part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str
) -> HttpResponse:
    """Remove a part from a draft."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    row = get_part(found, kind, name)
    try:
        commands.remove_part(
            actor, version=found, kind=kind, name=name, now=timezone.now()
        )
        messages.success(request, f"{row.declared.label} {row} removed.")
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)
