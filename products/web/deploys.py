"""Put a version live or take it off; and, where that is refused, why."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.errors import Conflict
from products.deploy.commands import DeploymentRefused, activate, deactivate
from products.deploy.queries import verdict_of
from products.deploy.verdict import State, Verdict
from products.services.queries import active_version, compare, version_to_judge

RESULTS = {State.PASSED: "pass", State.FAILED: "fail", State.NOT_ASKED: "skip"}


def gates_context(verdict: Verdict) -> dict[str, object]:
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


@login_required
@require_GET
def why(request: HttpRequest, service_id: str, number: int) -> HttpResponse:
    """Answer *Why can't I deploy?* with all eight gates."""
    actor = actor_of(request)
    version = version_to_judge(actor, service_id, number)
    verdict = verdict_of(actor, version=version, now=timezone.now())
    context = gates_context(verdict) | {"service": version.service, "version": version}
    return render(request, "products/why.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def activate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Review what changes against the live version, then put this one live."""
    actor = actor_of(request)
    version = version_to_judge(actor, service_id, number)
    status = 200
    if request.method == "POST":
        try:
            done = activate(
                actor,
                version=version,
                comment=request.POST.get("comment", "")[:500],
                now=timezone.now(),
            )
        except DeploymentRefused as refused:
            context = gates_context(refused.verdict) | {
                "service": version.service,
                "version": version,
                "refused": True,
            }
            personal = any(gate.number in {4, 5} for gate in refused.verdict.failed)
            return render(
                request, "products/why.html", context, status=403 if personal else 409
            )
        except Conflict as refused:
            messages.error(request, refused.message)
            return redirect("version", service_id=service_id, number=number)
        messages.success(
            request,
            f"Version {done.version} of {version.service.name} is live. The edges follow within "
            "five seconds.",
        )
        return redirect("service", service_id=service_id)
    verdict = verdict_of(actor, version=version, now=timezone.now())
    live = active_version(version.service)
    context = gates_context(verdict) | {
        "service": version.service,
        "version": version,
        "live": live,
        "differences": compare(live, version)
        if live and verdict.sees_configuration
        else (),
    }
    return render(request, "products/activate.html", context, status=status)


@login_required
@require_POST
def deactivate_version(
    request: HttpRequest, service_id: str, number: int
) -> HttpResponse:
    """Take the live version off; its domains answer no more."""
    actor = actor_of(request)
    version = version_to_judge(actor, service_id, number)
    try:
        deactivate(actor, version=version, now=timezone.now())
        messages.success(
            request,
            f"Version {number} of {version.service.name} is off. Its domains answer 404 now.",
        )
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect("service", service_id=service_id)
