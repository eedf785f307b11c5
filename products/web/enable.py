"""Enable a product for the account: what changes, what it costs, the agreement, the deed (R3, R5)."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_GET, require_http_methods

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Forbidden, Invalid, RefusalError
from accounts.models import Account
from accounts.policy import decide, require
from accounts.queries import account_of
from accounts.reauthentication import kept_input, require_reauthentication
from accounts.roles import Permission
from products.catalogue.models import Product
from products.catalogue.queries import product as find_product
from products.enablement.commands import Agreement, enable
from products.enablement.commands.account import PriceChanged
from products.enablement.queries import ProductState, agreement_text, state_of
from products.services.queries import services_of
from products.web.enable_review import (
    calculator_context,
    conflicts_of,
    superusers_of,
    who_can_use,
)
from products.web.feedback import success_with_audit_link
from products.web.forms import EnableForm
from products.web.price_display import tier_rows


@login_required
@require_http_methods(["GET", "POST"])
def enable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Review what enabling changes and costs; agree; do it (R3, R5)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    allowed = decide(actor, Permission.PRODUCT_ENABLE, account)
    if not allowed.allowed:
        return _refuse(request, account, product, allowed.reason)
    posted = request.method == "POST"
    if (posted or "connections" not in request.GET) and (
        gate := require_reauthentication(request)
    ):
        return gate  # working out a month asks for no proof; the review and the deed do
    form = EnableForm(request.POST if posted else kept_input(request))
    status = HTTPStatus.OK
    if posted:
        if form.is_valid():
            if _enable(request, actor, account, product, form):
                return redirect("product_enabled", slug=product.pk)
            status = HTTPStatus.CONFLICT
        else:
            status = HTTPStatus.BAD_REQUEST
    state = state_of(account, product, timezone.now())
    return _review(request, actor, state, form, status)


def _refuse(
    request: HttpRequest, account: Account, product: Product, reason: str
) -> HttpResponse:
    """Say to somebody who may not who can, and offer to ask them."""
    context = {
        "product": product,
        "state": state_of(account, product, timezone.now()),
        "reason": reason,
        "superusers": superusers_of(account),
    }
    return render(request, "products/enable_refused.html", context, status=403)


def _enable(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    product: Product,
    form: EnableForm,
) -> bool:
    """Enable it; where that is refused, the form says why."""
    agreed_text = form.cleaned_data["agreed_text"]
    try:
        enable(
            actor,
            account=account,
            product=product,
            agreement=Agreement(agreed_text, get_language() or "en"),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
        )
    except PriceChanged as refused:
        form.add_error("agree", refused.message)
    except Invalid as refused:
        named = refused.field in form.fields
        form.add_error(refused.field if named else None, refused.message)
    except Forbidden:
        raise
    except RefusalError as refused:
        form.add_error(None, refused.message)
    else:
        success_with_audit_link(
            request,
            actor,
            f"{product.name} is enabled for {account.name}. Any user on the account with the "
            "appropriate permissions can use it now; it changes your monthly bill.",
            product=product.pk,
        )
        return True
    return False


def _review(
    request: HttpRequest,
    actor: Actor,
    state: ProductState,
    form: EnableForm,
    status: HTTPStatus,
) -> HttpResponse:
    product = state.product
    account = account_of(actor)
    text = agreement_text(account, product, state.price)
    agreed_before = form.data.get("agreed_text", "")
    context = {
        "state": state,
        "product": product,
        "form": form,
        "agreed_text": text,
        # A tick holds for the sentence it was set under, and for no other.
        "ticked": "agree" in form.data and agreed_before == text,
        "agreed_before": agreed_before
        if form.is_bound and agreed_before not in {"", text}
        else "",
        "able": who_can_use(account),
        "conflicts": conflicts_of(actor, product),
        "rungs": tier_rows(state.price) if state.price else (),
        "sold_here": product.purchase_mode == Product.PurchaseMode.DIRECT
        and state.price is not None,
    } | calculator_context(request, state)
    return render(request, "products/enable.html", context, status=status)


@login_required
@require_GET
def product_enabled(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what is so now, and the next step."""
    actor = actor_of(request)
    account = account_of(actor)
    require(actor, Permission.PRODUCT_ENABLE, account)
    state = state_of(account, find_product(slug), timezone.now())
    if state.enablement is None:
        return redirect("products")
    context = {
        "state": state,
        "product": state.product,
        "services": services_of(actor),
        "able": who_can_use(account),
    }
    return render(request, "products/enabled.html", context)
