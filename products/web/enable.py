"""Enable a product for the account: review what changes and what it costs, then agree (R3, R5)."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_GET, require_http_methods

from accounts.authentication import actor_of
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.models import Account
from accounts.policy import decide, require
from accounts.queries import account_of, configurers_of
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from products.billing.estimates import own_traffic
from products.catalogue.models import Product
from products.catalogue.queries import prices_beside
from products.catalogue.queries import product as find_product
from products.catalogue.tiers import METERS
from products.enablement.agreements import direct_terms
from products.enablement.commands import Agreement, enable
from products.enablement.queries import (
    ProductState,
    conflicts_by_service,
    products_on_by_service,
    state_of,
)
from products.enablement.review import conflicts_of, superusers_of, who_can_use
from products.services.queries import active_versions, services_of
from products.web.calculator import calculator_context
from products.web.finding_links import shown_conflicts
from products.web.forms import EnableForm
from products.web.price_display import fee_line, product_price_line, tier_rows

PEOPLE_SHOWN = 5
CONFLICTS_SHOWN = 50
CONFLICTS_UNFOLDED = 3
SERVICES_SHOWN = 10


@login_required
@require_http_methods(["GET", "POST"])
def enable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what enabling changes and costs; POST enables the product (R3, R5)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    allowed = decide(actor, Permission.PRODUCT_ENABLE, account)
    if not allowed.allowed:
        return _refuse(request, account, product, allowed.reason)
    posted = request.method == "POST"
    form = EnableForm(request.POST if posted else None)
    if posted and form.is_valid():
        asked = require_reauthentication(
            request, f"enable {product.name} for {account.name}"
        )
        if asked is not None:
            return asked
        with form_errors(form):
            enable(
                actor,
                account=account,
                product=product,
                agreement=Agreement.to(
                    form.cleaned_data["agreed_text"], get_language() or "en"
                ),
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"{product.name} is enabled for {account.name}. Any user on the account with the "
                "appropriate permissions can use it now. It changes your monthly bill.",
                product=product.pk,
            )
            return redirect("product_enabled", slug=product.pk)
    status = form_status(form) if posted else HTTPStatus.OK
    return _review(
        request, account, state_of(account, product, timezone.now()), form, status
    )


def _refuse(
    request: HttpRequest, account: Account, product: Product, reason: str
) -> HttpResponse:
    """Say why the actor cannot enable the product, and who can."""
    context = {
        "product": product,
        "state": state_of(account, product, timezone.now()),
        "reason": reason,
        "superusers": superusers_of(account),
    }
    return render(request, "products/enable_refused.html", context, status=403)


def _review(
    request: HttpRequest,
    account: Account,
    state: ProductState,
    form: EnableForm,
    status: HTTPStatus,
) -> HttpResponse:
    product = state.product
    now = timezone.now()
    prices = prices_beside(state.price, now, account)
    text = direct_terms(account, product, prices, now=now).text
    agreed_before = form.data.get("agreed_text", "")
    reviewed = conflicts_of(actor_of(request), product)
    conflicting = [each for each in reviewed if each.findings]
    shown = conflicting[:CONFLICTS_SHOWN]
    versions = active_versions(each.service for each in shown)
    conflicts = [
        (each.service, shown_conflicts(each.findings, versions.get(each.service.pk)))
        for each in shown
    ]
    context = {
        "state": state,
        "product": product,
        "form": form,
        "agreed_text": text,
        # The box stays ticked only if the sentence is still the one it was ticked for.
        "ticked": "agree" in form.data and agreed_before == text,
        "agreed_before": agreed_before
        if form.is_bound and agreed_before not in {"", text}
        else "",
        "able": who_can_use(account, PEOPLE_SHOWN),
        "able_count": configurers_of(account.pk).count(),
        "conflicts": conflicts[:CONFLICTS_UNFOLDED],
        "folded_conflicts": conflicts[CONFLICTS_UNFOLDED:],
        "folded_count": len(conflicting[CONFLICTS_UNFOLDED:]),
        "conflict_count": len(conflicting),
        "without_conflict": len(reviewed) - len(conflicting),
        "price_line": product_price_line(state),
        "fee_line": fee_line(state.price) if state.price else "",
        "tiers": tier_rows(state.price) if state.price else (),
        "meter": METERS[state.price.meter] if state.price else None,
        "sold_here": product.is_sold_directly and state.price is not None,
        "own_traffic": own_traffic(account, state.price)
        if state.price is not None and state.price.meter == "connection_time"
        else [],
    } | calculator_context(request, state)
    return render(request, "products/enable.html", context, status=status)


@login_required
@require_GET
def product_enabled(request: HttpRequest, slug: str) -> HttpResponse:
    """Show that the product is enabled, and the next step."""
    actor = actor_of(request)
    account = account_of(actor)
    require(actor, Permission.PRODUCT_ENABLE, account)
    state = state_of(account, find_product(slug), timezone.now())
    if state.enablement is None:
        return redirect("products")
    services = services_of(actor)
    shown = list(services[:SERVICES_SHOWN])
    on = products_on_by_service([service.pk for service in shown])
    findings = conflicts_by_service(shown, with_=state.product.pk)
    versions = active_versions(shown)
    context = {
        "state": state,
        "product": state.product,
        "services": [
            (
                each,
                state.product.pk in on.get(each.pk, ()),
                shown_conflicts(findings[each.pk], versions.get(each.pk)),
            )
            for each in shown
        ],
        "service_count": services.count(),
        "able_count": configurers_of(account.pk).count(),
    }
    return render(request, "products/enabled.html", context)
