"""Activate and deactivate versions, and *Why can't I deploy?*."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Conflict, Invalid
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.policy import decide, require
from accounts.roles import Permission
from products.deploy.checks import CheckOutcome, FixPage
from products.deploy.commands import DeploymentRefused, activate, deactivate
from products.deploy.decision import CheckResult, DeployDecision, decision_with_probe
from products.deploy.queries import previous_version
from products.services.comparison import compare
from products.services.models import Version
from products.services.queries import (
    active_version,
    domains_of,
    version_for_decision,
)
from products.web.current_usage import service_usage
from products.web.differences import shown_differences
from products.web.finding_links import linked_findings
from products.web.forms import DRAIN_SECONDS, DeactivateForm

RESULTS = {
    CheckOutcome.PASSED: "pass",
    CheckOutcome.FAILED: "fail",
    CheckOutcome.NOT_APPLICABLE: "skip",
}
# With more people, a check names these and counts the others.
MAX_NAMES = 3


def checks_context(
    actor: Actor, version: Version, decision: DeployDecision
) -> dict[str, object]:
    """Return the check list as its template shows it; the first failed check is open."""
    editable = (
        not version.locked
        and decide(actor, Permission.SERVICE_CONFIGURE, version.service).allowed
    )
    first = decision.failed[0].code if decision.failed else ""
    return {
        "decision": decision,
        "checks": [
            {
                "check": each,
                "result": RESULTS[each.outcome],
                "opened": each.code == first,
                "people": _people(each.who),
                "links": _links(each, version, editable=editable),
            }
            for each in decision.checks
        ],
    }


def _people(names: tuple[str, ...]) -> str:
    if len(names) <= MAX_NAMES:
        return ", ".join(names)
    others = len(names) - MAX_NAMES + 1
    return f"{', '.join(names[: MAX_NAMES - 1])} and {others} others"


def _links(
    result: CheckResult, version: Version, *, editable: bool
) -> list[tuple[str, str]]:
    """Return where a failed check can be fixed, as URLs with their labels."""
    fields = [
        (each.url, each.label)
        for each in linked_findings(result.findings, version, editable=editable)
        if each.url
    ]
    match result.fix_page:
        case FixPage.DOMAINS:
            return [(reverse("domains"), "Open Domains")]
        case FixPage.PRODUCTS:
            return [(reverse("products"), "Open Products")]
        case FixPage.SERVICE:
            url = reverse("service", args=[version.service_id])
            return [(url, f"Open {version.service.name}")]
        case FixPage.VERSION:
            url = reverse("version", args=[version.service_id, version.number])
            return fields or [(url, f"Open version {version.number}")]
    return []


def _why(
    request: HttpRequest,
    version: Version,
    decision: DeployDecision,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context = checks_context(actor_of(request), version, decision) | {
        "service": version.service,
        "version": version,
        "refused": request.method == "POST",
        "portal_url": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "products/why.html", context, status=status)


@login_required
@require_GET
def why(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Answer *Why can't I deploy?* with all checks."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    return _why(request, version, decision_with_probe(actor, version=version))


@login_required
@require_http_methods(["GET", "POST"])
def activate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Show what changes against the active version; POST activates this one."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    if request.method == "GET":
        return _review(request, version)
    comment = request.POST.get("comment", "")
    try:
        done = activate(actor, version=version, comment=comment, now=timezone.now())
    except DeploymentRefused as refused:
        personal = refused.decision.is_personal
        status = HTTPStatus.FORBIDDEN if personal else HTTPStatus.CONFLICT
        return _why(request, version, refused.decision, status)
    except Conflict as refused:
        messages.error(request, refused.message)
        return redirect("version", service_id=service_id, number=number)
    except Invalid as refused:
        return _review(request, version, comment=comment, problem=refused.message)
    name = version.service.name
    if done is None:
        messages.info(request, f"Version {number} of {name} is active already.")
    else:
        success_with_audit_link(
            request,
            actor,
            f"Activated version {number} of {name}. All edges use it within five seconds.",
            service=service_id,
        )
    return redirect("service", service_id=service_id)


def _review(
    request: HttpRequest, version: Version, *, comment: str = "", problem: str = ""
) -> HttpResponse:
    """Show the changes and the form; `problem` is what is wrong with the comment."""
    actor = actor_of(request)
    decision = decision_with_probe(actor, version=version)
    active = active_version(version.service)
    context = checks_context(actor, version, decision) | {
        "service": version.service,
        "version": version,
        "active": active,
        "comment": comment,
        "comment_problem": problem,
        "differences": shown_differences(compare(active, version))
        if active and decision.sees_configuration
        else None,
    }
    status = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
    return render(request, "products/activate.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def deactivate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Show what stops working; POST deactivates the version, whose domains then return 404."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    service = version.service
    require(actor, Permission.SERVICE_DEPLOY, service)
    if not version.active:
        messages.error(request, f"Version {number} of {service.name} is not active.")
        return redirect("service", service_id=service_id)
    panel = service_usage(actor, service, timezone.now())
    form = DeactivateForm(
        request.POST if request.method == "POST" else None,
        must_type=service.name if panel.usage.may_be_open else "",
    )
    if form.is_valid():
        with form_errors(form):
            deactivate(
                actor,
                version=version,
                comment=form.cleaned_data["comment"],
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"Deactivated version {number} of {service.name}. Its domains now return 404.",
                service=service_id,
            )
            return redirect("service", service_id=service_id)
    context = {
        "service": service,
        "version": version,
        "domains": domains_of(service),
        "previous": previous_version(service),
        "usage_panel": panel,
        "drain_seconds": DRAIN_SECONDS,
        "form": form,
    }
    status = form_status(form)
    return render(request, "products/deactivate.html", context, status=status)
