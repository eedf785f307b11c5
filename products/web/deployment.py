"""Activate and deactivate versions, and *Why can't I deploy?*."""

from dataclasses import dataclass
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
from accounts.lists import names_in_words
from accounts.policy import AccountAccess, load_access, require
from accounts.queries import account_of
from accounts.roles import Permission
from products.compatibility.findings import Severity
from products.compatibility.version_config import WEBSOCKETS
from products.deploy.checks import CheckOutcome, Fix, FixPage
from products.deploy.commands import DeploymentRefused, activate, deactivate
from products.deploy.decision import CheckResult, DeployDecision, decision_with_probe
from products.deploy.queries import previous_version
from products.enablement.queries import OwnRequest, own_requests
from products.services.comparison import compare
from products.services.models import Service, Version
from products.services.queries import (
    active_version,
    domains_of,
    version_for_decision,
)
from products.web.current_usage import service_usage
from products.web.differences import shown_differences
from products.web.finding_links import claim_url, link_into, shown_findings
from products.web.forms import DRAIN_SECONDS, DeactivateForm
from products.web.help import check_url

RESULTS = {
    CheckOutcome.PASSED: "pass",
    CheckOutcome.FAILED: "fail",
    CheckOutcome.NOT_APPLICABLE: "skip",
}
IN_THE_VERSION = frozenset(
    {FixPage.ADD_PART, FixPage.DOMAIN, FixPage.FIELD, FixPage.REFERENCE}
)
PEOPLE_SHOWN = 3  # of those who can fix a failed check


@dataclass(frozen=True, slots=True)
class ShownFix:
    """A fix with a link to where it is made, or the action that makes it."""

    fix: Fix
    url: str = ""
    label: str = ""
    action: str = ""  # "request" or "switch_on"
    requested: OwnRequest | None = None  # by this user


def checks_context(
    actor: Actor, version: Version, decision: DeployDecision
) -> dict[str, object]:
    """Return the check list as its template shows it; the first failed check is open."""
    service = version.service
    access = load_access(actor, service.account_id)
    configuring = access.decide(Permission.SERVICE_CONFIGURE, service.pk).allowed
    first = decision.failed[0].code if decision.failed else ""
    return {
        "service": service,
        "decision": decision,
        "can_clone": configuring
        and version.locked
        and any(
            fix.page in IN_THE_VERSION for each in decision.failed for fix in each.fixes
        ),
        "checks": [
            {
                "check": each,
                "result": RESULTS[each.outcome],
                "opened": each.code == first,
                "people": names_in_words(each.who, PEOPLE_SHOWN),
                "help_url": check_url(each.title),
                "fixes": [_shown_fix(fix, each, version, access) for fix in each.fixes],
            }
            for each in decision.checks
        ],
    }


def _shown_fix(
    fix: Fix, result: CheckResult, version: Version, access: AccountAccess
) -> ShownFix:
    """Return a fix with what this user can do about it."""
    if fix.page in IN_THE_VERSION:
        return ShownFix(fix, *_link_into(fix, version, access))
    match fix.page:
        case FixPage.DOMAINS:
            shown = ShownFix(fix, claim_url(fix.name), "Claim it")
        case FixPage.MEMBERS:
            shown = ShownFix(fix, reverse("members"), "Open Members")
        case FixPage.PRODUCTS:
            shown = _enabling(fix, result, access)
        case FixPage.BUDGET:
            shown = _budget(fix, access)
        case FixPage.SERVICE:
            shown = _switching(fix, result, version.service, access)
        case _:
            shown = ShownFix(fix)
    return shown


def _link_into(fix: Fix, version: Version, access: AccountAccess) -> tuple[str, str]:
    """Return the address and label of a field or part; of the version, if it cannot be edited."""
    place = [version.service_id, version.number]
    may_edit = access.decide(Permission.SERVICE_CONFIGURE, version.service_id).allowed
    if version.locked or not may_edit:
        return reverse("version", args=place), f"Open version {version.number}"
    return link_into(fix, version)


def _enabling(fix: Fix, result: CheckResult, access: AccountAccess) -> ShownFix:
    if result.code != "product_enabled":
        return ShownFix(fix, reverse("products"), "Open Products")
    if access.decide(Permission.PRODUCT_ENABLE).allowed:
        url = reverse("enable_product", args=[WEBSOCKETS])
        return ShownFix(fix, url, "Enable WebSockets…")
    account = account_of(access.actor)
    asked = own_requests(account, access.actor.user_id, timezone.now())
    url = reverse("request_product", args=[WEBSOCKETS])
    return ShownFix(fix, url, action="request", requested=asked.get(WEBSOCKETS))


def _budget(fix: Fix, access: AccountAccess) -> ShownFix:
    if access.decide(Permission.BILLING_READ).allowed:
        return ShownFix(fix, f"{reverse('billing')}#budget", "Open the budget")
    return ShownFix(fix)


def _switching(
    fix: Fix, result: CheckResult, service: Service, access: AccountAccess
) -> ShownFix:
    configuring = access.decide(Permission.SERVICE_CONFIGURE, service.pk).allowed
    if result.code == "service_switch" and configuring:
        url = reverse("switch_on", args=[service.pk])
        return ShownFix(fix, url, action="switch_on")
    return ShownFix(fix, reverse("service", args=[service.pk]), f"Open {service.name}")


def _why(
    request: HttpRequest,
    version: Version,
    decision: DeployDecision,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context = checks_context(actor_of(request), version, decision) | {
        "version": version,
        "refused": request.method == "POST",
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
        "warnings": [
            each
            for each in shown_findings(decision, version, editable=True)
            if each.severity is not Severity.BLOCKS
        ],
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
