"""Put a version live or take it off; and, where that is refused, why."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.errors import Conflict
from products.deploy.commands import DeploymentRefused, activate, deactivate
from products.deploy.queries import decision_with_probe
from products.deploy.verdict import CheckOutcome, Verdict
from products.services.models import Version
from products.services.queries import active_version, compare, version_for_decision
from products.web.feedback import success_with_audit_link

# Gates about who asks, not about what is deployed: the answer is 403 and not 409.
PERSONAL = frozenset({4, 5})
RESULTS = {
    CheckOutcome.PASSED: "pass",
    CheckOutcome.FAILED: "fail",
    CheckOutcome.NOT_ASKED: "skip",
}


def checks_context(verdict: Verdict) -> dict[str, object]:
    """Return the check list as its template shows it; the first failed gate stands open."""
    first = verdict.failed[0].number if verdict.failed else 0
    return {
        "verdict": verdict,
        "gates": [
            {
                "gate": gate,
                "result": RESULTS[gate.state],
                "opened": gate.number == first,
                "people": ", ".join(gate.who),
            }
            for gate in verdict.gates
        ],
    }


def _why(
    request: HttpRequest,
    version: Version,
    verdict: Verdict,
    status: HTTPStatus = HTTPStatus.OK,
    **also: bool,
) -> HttpResponse:
    context = checks_context(verdict) | {
        "service": version.service,
        "version": version,
        "portal_url": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "products/why.html", context | also, status=status)


@login_required
@require_GET
def why(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Answer *Why can't I deploy?* with all eight gates."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    verdict = decision_with_probe(actor, version=version, now=timezone.now())
    return _why(request, version, verdict)


@login_required
@require_http_methods(["GET", "POST"])
def activate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Review what changes against the live version, then put this one live."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    if request.method == "POST":
        try:
            done = activate(
                actor,
                version=version,
                comment=request.POST.get("comment", "")[:500],
                now=timezone.now(),
            )
        except DeploymentRefused as refused:
            personal = PERSONAL & {gate.number for gate in refused.verdict.failed}
            status = HTTPStatus.FORBIDDEN if personal else HTTPStatus.CONFLICT
            return _why(request, version, refused.verdict, status, refused=True)
        except Conflict as refused:
            messages.error(request, refused.message)
            return redirect("version", service_id=service_id, number=number)
        success_with_audit_link(
            request,
            actor,
            f"Version {done.version} of {version.service.name} is live. The edges follow within "
            "five seconds.",
            service=service_id,
        )
        return redirect("service", service_id=service_id)
    verdict = decision_with_probe(actor, version=version, now=timezone.now())
    live = active_version(version.service)
    context = checks_context(verdict) | {
        "service": version.service,
        "version": version,
        "live": live,
        "differences": compare(live, version)
        if live and verdict.sees_configuration
        else (),
    }
    return render(request, "products/activate.html", context)


@login_required
@require_POST
def deactivate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Take the live version off; its domains answer no more."""
    actor = actor_of(request)
    version = version_for_decision(actor, service_id, number)
    try:
        deactivate(actor, version=version, now=timezone.now())
        success_with_audit_link(
            request,
            actor,
            f"Version {number} of {version.service.name} is off. Its domains answer 404 now.",
            service=service_id,
        )
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("service", service_id=service_id)
