"""The page of a version: its parts, comment and findings; creating and locking a version."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from accounts.policy import decide
from accounts.roles import Permission
from products.compatibility.findings import Severity
from products.deploy.decision import DeployDecision, decision_without_person
from products.services.commands.versions import (
    clone_version,
    comment_version,
    lock_version,
)
from products.services.kinds import KINDS
from products.services.models import Part, Version
from products.services.queries import all_parts, get_version
from products.web.finding_links import (
    ELSEWHERE,
    Here,
    ShownFinding,
    advice_about,
    shown_findings,
)
from products.web.parts import shown_part
from products.web.removed_parts import removed_from

NUMBER = re.compile("[0-9]{1,9}")
PARTS_SHOWN = 25  # of each kind; more have a list of their own
PAGE_SIZE = 100


def version_context(actor: Actor, version: Version) -> dict[str, Any]:
    """Return what every page of a version shows."""
    return {
        "service": version.service,
        "version": version,
        "configuring": decide(actor, Permission.SERVICE_CONFIGURE, version.service),
        "deploying": decide(actor, Permission.SERVICE_DEPLOY, version.service),
        "editable": not version.locked,
    }


def findings_context(
    actor: Actor,
    version: Version,
    decision: DeployDecision,
    here: Here = ELSEWHERE,
    advice: Iterable[ShownFinding] = (),
) -> dict[str, Any]:
    """Return the findings as their fragment shows them, with links for an actor who may edit."""
    may_edit = decide(actor, Permission.SERVICE_CONFIGURE, version.service).allowed
    found = [
        *shown_findings(
            decision, version, editable=may_edit and not version.locked, here=here
        ),
        *advice,
    ]
    severities = [each.severity for each in found]
    return {
        "uses_websockets": decision.uses_websockets,
        "blocker_count": severities.count(Severity.BLOCKS),
        "warning_count": severities.count(Severity.WARNING),
        "note_count": severities.count(Severity.INFO),
        "findings": found,
    }


@login_required
@require_http_methods(["GET", "POST"])
def version(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Show a version's parts and findings; POST saves its comment."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    status, typed, problem = 200, found.comment, ""
    if request.method == "POST":
        typed = request.POST.get("comment", "")
        try:
            comment_version(actor, version=found, comment=typed, now=timezone.now())
        except Invalid as refused:
            status, problem = 400, refused.message
        else:
            messages.success(request, "Comment saved.")
            return redirect("version", service_id=service_id, number=number)
    context = version_context(actor, found) | {
        "comment": typed,
        "comment_problem": problem,
        "removed": removed_from(request, found),
    }
    rows = all_parts(found)
    context |= _parts_context(request, found, rows)
    advice = [
        each
        for row in rows["backend"]
        for each in advice_about(
            row.declared, row.name, row.key, row.values, found, ELSEWHERE
        )
    ]
    decision = decision_without_person(found)
    deploying = decide(actor, Permission.SERVICE_DEPLOY, found.service)
    context["can_deploy"] = decision.allowed and deploying.allowed
    context |= findings_context(actor, found, decision, advice=advice)
    return render(request, "products/version.html", context, status=status)


def _parts_context(
    request: HttpRequest, version: Version, rows: Mapping[str, list[Part]]
) -> dict[str, Any]:
    """Return the parts of a version by kind: those that were searched for, the first of each kind.

    With `kind` in the query it is one kind alone, page by page.
    """
    query = request.GET.get("q", "").strip()
    only = request.GET.get("kind", "")
    size = PAGE_SIZE if only else PARTS_SHOWN
    after = request.GET.get("after", "")
    first = int(after) if NUMBER.fullmatch(after) else -1
    sections = []
    for segment, found in rows.items():
        shown = [
            (row.position, shown_part(row))
            for row in found
            if not only or only == segment
        ]
        matching = [(position, each) for position, each in shown if each.matches(query)]
        listed = [pair for pair in matching if pair[0] > first][: size + 1]
        if listed:
            section = {
                "kind": KINDS[segment],
                "rows": [each for _, each in listed[:size]],
                "count": len(matching),
                "has_more": len(listed) > size,
                "last": listed[:size][-1][0],
            }
            sections.append(section)
    absent = [
        kind
        for segment, kind in KINDS.items()
        if not rows[segment] and kind.offered_to(version.service.type)
    ]
    usual = [kind for kind in absent if kind.is_usual]
    return {
        "sections": sections,
        "part_count": sum(map(len, rows.values())),
        "searchable": sum(map(len, rows.values())) > PARTS_SHOWN,
        "q": query,
        "only": only,
        "absent": usual,
        "further": [kind for kind in absent if not kind.is_usual],
        "absent_words": [kind.plural_in_sentence for kind in usual],
    }


@login_required
@require_GET
def findings(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Return the findings alone, for a page that reloads them."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    context = findings_context(actor, found, decision_without_person(found))
    return render(request, "products/_findings_update.html", context)


@login_required
@require_POST
def new_version(request: HttpRequest, service_id: str) -> HttpResponse:
    """Clone a version to edit. Raises Invalid without the number of one."""
    actor = actor_of(request)
    source = request.POST.get("from", "")
    if not NUMBER.fullmatch(source):
        raise Invalid("Choose the version to clone.", field="from")
    cloned = get_version(actor, service_id, int(source))
    made = clone_to_edit(request, actor, cloned)
    return redirect("version", service_id=service_id, number=made.number)


def clone_to_edit(request: HttpRequest, actor: Actor, version: Version) -> Version:
    """Clone a locked version that someone wanted to change, and say so on the next page."""
    clone = clone_version(actor, version=version, now=timezone.now())
    messages.success(
        request,
        f"Created draft version {clone.number} from version {version.number}.",
    )
    return clone


@login_required
@require_POST
def lock(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Lock a draft; it can still be deployed, but no longer edited."""
    actor = actor_of(request)
    found = get_version(actor, service_id, number)
    try:
        lock_version(actor, version=found, now=timezone.now())
        messages.success(request, f"Locked version {number}.")
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("version", service_id=service_id, number=number)
