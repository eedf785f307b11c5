"""The version editor: what a version holds, its findings beside it, and its parts' forms."""

from dataclasses import fields, replace
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid, NotFound
from accounts.policy import decide
from accounts.roles import Permission
from products.compatibility.config import BackendConfig, VersionConfig
from products.deploy.findings import findings_of
from products.services.commands.config import (
    StaleRevision,
    add_object,
    change_object,
    remove_object,
)
from products.services.commands.versions import (
    clone_version,
    comment_version,
    create_version,
    lock_version,
)
from products.services.describe import describe
from products.services.models import KINDS, Version
from products.services.queries import get_object, get_service, get_version, objects_of
from products.services.validation import InvalidFields
from products.web.parts import KIND_WORDS, changes_of, form_for, initial_of, main_fields


def version_context(actor: Actor, version: Version) -> dict[str, Any]:
    """Return what every page of a version shows."""
    return {
        "service": version.service,
        "version": version,
        "configuring": decide(actor, Permission.SERVICE_CONFIGURE, version.service),
        "deploying": decide(actor, Permission.SERVICE_DEPLOY, version.service),
        "editable": not version.locked,
        "findings": findings_of(version),
    }


@login_required
@require_http_methods(["GET", "POST"])
def version(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Show a version's parts and findings; POST saves its comment."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    if request.method == "POST":
        try:
            comment_version(
                actor,
                version=found,
                comment=request.POST.get("comment", ""),
                now=timezone.now(),
            )
            messages.success(request, "Comment saved.")
        except Invalid as refused:
            messages.error(request, refused.message)
        return redirect("version", service_id=service_id, number=number)
    context = version_context(actor, found) | {
        "kinds": [
            {
                "kind": kind,
                "word": KIND_WORDS[kind],
                "rows": list(objects_of(found, kind)),
            }
            for kind in KINDS
        ]
    }
    return render(request, "products/version.html", context)


@login_required
@require_GET
def findings(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Return the findings alone, for the page that asks again."""
    found = get_version(actor_of(request), service_id, number)
    return render(request, "products/_findings.html", {"findings": findings_of(found)})


@login_required
@require_POST
def preview(
    request: HttpRequest, service_id: str, number: int, kind: str
) -> HttpResponse:
    """Return the findings as they would be with what stands in the form; saves nothing."""
    found = get_version(actor_of(request), service_id, number)
    if kind not in KINDS:
        raise NotFound(f"A version holds no '{kind}'.")
    form = form_for(kind)(request.POST)
    form.is_valid()  # what does not parse stays at its default; the save says what is wrong
    draft = _with_part(found, kind, request.POST.get("was", ""), form)
    context = {"findings": findings_of(found, instead=draft), "unsaved": True}
    return render(request, "products/_findings.html", context)


def _with_part(
    version: Version, kind: str, was: str, form: forms.Form
) -> VersionConfig | None:
    """Describe a version as if a backend were the form's; the rules look at no other part."""
    if kind != "backend" or not {"name", "address"} <= form.cleaned_data.keys():
        return None
    config = describe(version)
    known = {field.name for field in fields(BackendConfig)}
    values = {key: value for key, value in changes_of(form).items() if key in known}
    edited = BackendConfig(**cast("dict[str, Any]", values))
    backends = [edited if each.name == was else each for each in config.backends]
    if not was:
        backends.append(edited)
    return replace(config, backends=tuple(backends))


@login_required
@require_http_methods(["GET", "POST"])
def part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str = ""
) -> HttpResponse:
    """Add or change a part of a draft; shows the other's value where two people save at once."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    if kind not in KINDS:
        raise NotFound(f"A version holds no '{kind}'.")
    row = get_object(found, kind, name) if name else None
    form_class = form_for(kind)
    initial = initial_of(row) if row else None
    form = (
        form_class(request.POST)
        if request.method == "POST"
        else form_class(initial=initial)
    )
    context = version_context(actor, found) | {
        "kind": kind,
        "word": KIND_WORDS[kind],
        "row": row,
    }
    status, revision = 200, _revision(request) or found.revision
    if request.method == "POST":
        status = 400
        if form.is_valid():
            stale = _save(request, actor, found, kind, name, form)
            if stale is None and not form.errors:
                messages.success(
                    request, f"{KIND_WORDS[kind]} {form.cleaned_data['name']} saved."
                )
                return redirect("version", service_id=service_id, number=number)
            if stale is not None:
                # To save again is to keep one's own: the form goes on from the newest revision.
                revision, status = stale.revision, 409
                context |= {"stale": stale, "stale_lines": _lines(stale)}
    main = main_fields(kind)
    context |= {
        "form": form,
        "revision": revision,
        "main": [form[field] for field in main],
        "further": [form[field] for field in form.fields if field not in main],
    }
    return render(request, "products/part.html", context, status=status)


def _save(
    request: HttpRequest,
    actor: Actor,
    found: Version,
    kind: str,
    name: str,
    form: forms.Form,
) -> StaleRevision | None:
    now = timezone.now()
    values = changes_of(form)
    try:
        if name:
            change_object(
                actor,
                version=found,
                kind=kind,
                name=name,
                changes=values,
                expected_revision=_revision(request),
                now=now,
            )
        else:
            label = str(values.pop("name"))
            add_object(
                actor, version=found, kind=kind, name=label, fields=values, now=now
            )
    except InvalidFields as refused:
        for field, problem in refused.problems.items():
            form.add_error(field if field in form.fields else None, problem)
    except StaleRevision as refused:
        return refused
    except (Conflict, Invalid) as refused:
        form.add_error(None, refused.message)
    return None


def _lines(stale: StaleRevision) -> list[dict[str, object]]:
    return [
        {
            "field": field,
            "saved": stale.current.get(field),
            "yours": stale.wanted[field],
        }
        for field in stale.wanted
    ]


def _revision(request: HttpRequest) -> int | None:
    word = request.POST.get("revision", "")
    return int(word) if word.isascii() and word.isdigit() else None


@login_required
@require_POST
def remove_part(
    request: HttpRequest, service_id: str, number: int, kind: str, name: str
) -> HttpResponse:
    """Take a part out of a draft."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    try:
        remove_object(actor, version=found, kind=kind, name=name, now=timezone.now())
        messages.success(request, f"{KIND_WORDS.get(kind, kind)} {name} removed.")
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)


@login_required
@require_POST
def new_version(request: HttpRequest, service_id: str) -> HttpResponse:
    """Clone a version to edit, or start from an empty draft."""
    actor = actor_of(request)
    service = get_service(actor, service_id)
    source = request.POST.get("from", "")
    now = timezone.now()
    if source.isascii() and source.isdigit():
        made = clone_version(
            actor, version=get_version(actor, service_id, int(source)), now=now
        )
        messages.success(
            request, f"Version {made.number} is a draft made from version {source}."
        )
    else:
        made = create_version(actor, service=service, now=now)
        messages.success(request, f"Version {made.number} is an empty draft.")
    return redirect("version", service_id=service_id, number=made.number)


@login_required
@require_POST
def lock(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Lock a draft; it can be deployed, and never edited again."""
    actor = actor_of(request)
    try:
        lock_version(
            actor, version=get_version(actor, service_id, number), now=timezone.now()
        )
        messages.success(request, f"Version {number} is locked.")
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)
