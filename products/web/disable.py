"""Disable a product for the account: first what stops, then the deed (R19)."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.errors import Forbidden, RefusalError
from accounts.models import Account
from accounts.policy import require
from accounts.queries import account_of
from accounts.reauthentication import kept_input, require_reauthentication
from accounts.roles import Permission
from products.catalogue.models import Product
from products.catalogue.queries import product as find_product
from products.enablement.commands import disable
from products.enablement.models import Enablement
from products.enablement.queries import state_of
from products.services.queries import active_versions
from products.web.feedback import success_with_audit_link
from products.web.forms import DisableForm
from products.web.live import live_of_account


@login_required
@require_http_methods(["GET", "POST"])
def disable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show first what stops, then switch it off (R19)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    require(actor, Permission.PRODUCT_ENABLE, account)
    if (gate := require_reauthentication(request)) is not None:
        return gate
    posted = request.method == "POST"
    figures = live_of_account(actor, timezone.now())
    must_type = product.name if figures.figures.may_be_open else ""
    form = DisableForm(
        request.POST if posted else kept_input(request), must_type=must_type
    )
    status = HTTPStatus.OK
    if posted:
        if form.is_valid():
            if _disable(request, actor, account, product, form):
                return redirect("products")
            status = HTTPStatus.CONFLICT
        else:
            status = HTTPStatus.BAD_REQUEST
    state = state_of(account, product, timezone.now())
    live = active_versions(state.services)
    held = state.enablement
    context = {
        "state": state,
        "product": product,
        "form": form,
        "stops": [
            (service, live.get(service.pk), figures.figures.open.of(service.pk))
            for service in state.services
        ],
        "figures": figures,
        "bought_here": held is not None and held.source == Enablement.Source.DIRECT,
    }
    return render(request, "products/disable.html", context, status=status)


def _disable(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    product: Product,
    form: DisableForm,
) -> bool:
    """Disable it; where that is refused, the form says why."""
    try:
        disable(
            actor,
            account=account,
            product=product,
            drain_mode=form.cleaned_data["drain_mode"],
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
        )
    except Forbidden:
        raise
    except RefusalError as refused:
        form.add_error(None, refused.message)
        return False
    success_with_audit_link(
        request,
        actor,
        f"{product.name} is disabled for {account.name}. New connections are refused now; what "
        "was used up to this moment will be billed.",
        product=product.pk,
    )
    return True
