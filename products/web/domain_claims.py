"""The pages of domain claims: the list, one claim with its proof, and its release."""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.errors import Conflict
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import ListForm, page_of
from accounts.policy import decide
from accounts.queries import account_of
from accounts.roles import Permission
from products.domains.commands import claim_domain, release_claim, verify_claim
from products.domains.models import DomainClaim
from products.domains.queries import (
    active_domains,
    claim_of,
    claims_of,
    verification_is_off,
    visible_active_domains,
)
from products.domains.verification import proof_of

STATE_SHAPES = {
    DomainClaim.State.PENDING: "ask",
    DomainClaim.State.VERIFIED: "on",
    DomainClaim.State.LOST: "off",
}
USED_SHOWN: Final = 20  # domains of active versions that a claim covers


class ClaimListForm(ListForm):
    """The search and filter of the list of claims."""

    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any"), *DomainClaim.State.choices],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "By name"), ("new", "Newest first")],
    )


class ClaimForm(forms.Form):
    """The name to claim."""

    name = forms.CharField(
        label="Domain",
        help_text="For example example.com. A claim covers all names below it.",
        widget=forms.TextInput(
            {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


@login_required
@require_http_methods(["GET", "POST"])
def domains(request: HttpRequest) -> HttpResponse:
    """List the account's claims; POST makes one."""
    actor = actor_of(request)
    account = account_of(actor)
    form = ClaimForm(
        request.POST if request.method == "POST" else None,
        initial={"name": request.GET.get("claim", "")},
    )
    if form.is_valid():
        with form_errors(form):
            claim = claim_domain(
                actor,
                account=account,
                name=form.cleaned_data["name"],
                now=timezone.now(),
            )
            success_with_audit_link(request, actor, _claimed(claim))
            return redirect("domain", claim_id=claim.pk)
    search = ClaimListForm(request.GET)
    found = claims_of(actor, account, search=search.chosen("q"))
    if state := search.chosen("state"):
        found = found.filter(state=state)
    orders = {"new": ("-requested_at", "pk")}
    order = orders.get(search.chosen("sort"), ("name", "pk"))
    page = page_of(request, found, order=order)
    context = {
        "page": page,
        "claims": [_row(claim) for claim in page.rows],
        "search": search,
        "form": form,
        "claiming": decide(actor, Permission.DOMAIN_CLAIM, account),
        "is_off": verification_is_off(),
    }
    return render(request, "products/domains.html", context, status=form_status(form))


@login_required
@require_http_methods(["GET", "POST"])
def domain(request: HttpRequest, claim_id: str) -> HttpResponse:
    """Show a claim with its proof; POST looks for the proof now."""
    actor = actor_of(request)
    claim = claim_of(actor, claim_id)
    problem = ""
    if request.method == "POST":
        try:
            verify_claim(actor, claim=claim, now=timezone.now())
        except Conflict as refusal:
            problem = refusal.message
            claim.refresh_from_db()
        else:
            success_with_audit_link(request, actor, f"{claim} is verified.")
            return redirect("domain", claim_id=claim.pk)
    used = visible_active_domains(actor, claim)
    used_count = used.count()
    context = {
        **_row(claim),
        "proof": proof_of(claim.name, claim.token),
        "accepts_http": settings.DOMAIN_VERIFICATION == "http",
        "is_pending": claim.is_pending(timezone.now()),
        "used": used[:USED_SHOWN],
        "more_used": max(used_count - USED_SHOWN, 0),
        "hidden": active_domains(claim).count() - used_count,
        "problem": problem,
        "claiming": decide(actor, Permission.DOMAIN_CLAIM, claim),
    }
    return render(
        request, "products/domain.html", context, status=409 if problem else 200
    )


@login_required
@require_http_methods(["GET", "POST"])
def release_domain(request: HttpRequest, claim_id: str) -> HttpResponse:
    """Ask for confirmation; POST releases a claim that no active version needs."""
    actor = actor_of(request)
    claim = claim_of(actor, claim_id)
    context: dict[str, Any] = {
        "claim": claim,
        "claiming": decide(actor, Permission.DOMAIN_CLAIM, claim),
    }
    if request.method == "POST":
        try:
            release_claim(actor, claim=claim, now=timezone.now())
        except Conflict as refusal:
            context["problem"] = refusal.message
            return render(request, "products/domain_release.html", context, status=409)
        success_with_audit_link(request, actor, f"Released {claim}.")
        return redirect("domains")
    return render(request, "products/domain_release.html", context)


def _row(claim: DomainClaim) -> dict[str, object]:
    return {
        "claim": claim,
        "shape": STATE_SHAPES[DomainClaim.State(claim.state)],
        "state": claim.get_state_display(),
    }


def _claimed(claim: DomainClaim) -> str:
    if claim.is_verified:
        return f"{claim} is verified."
    return f"Claimed {claim}. Prove that it is yours to finish."
