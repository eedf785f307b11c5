"""Disable a product for the account, after showing what stops working (R19)."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.policy import load_access
from accounts.queries import account_in
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from products.catalogue.queries import product as find_product
from products.enablement.commands import disable
from products.enablement.models import Enablement
from products.enablement.queries import current, state_of
from products.enablement.refusals import disable_refusal
from products.services.models import Service
from products.services.queries import active_versions
from products.web.current_usage import account_usage
from products.web.forms import DRAIN_SECONDS, DisableForm

_BILLED = {
    Enablement.DrainMode.DRAIN: (
        f"Open connections close within {DRAIN_SECONDS} seconds and are billed until then."
    ),
    Enablement.DrainMode.CUT: "Usage until now is billed.",
    Enablement.DrainMode.KEEP: "Open connections are billed until they close.",
}
SERVICES_SHOWN = 20  # of those that stop working


@login_required
@require_http_methods(["GET", "POST"])
def disable_product(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what stops working; POST disables the product (R19)."""
    actor = actor_of(request)
    access = load_access(actor, actor.account_id)
    account = account_in(access)
    product = find_product(slug)
    access.require(Permission.PRODUCT_ENABLE)
    posted = request.method == "POST"
    services = {each.pk: each for each in Service.objects.visible_in(access)}
    panel = account_usage(access, account, services, timezone.now())
    must_type = product.name if panel.usage.may_be_open else ""
    held = current(account.pk, product.pk)
    form = DisableForm(
        request.POST if posted else None,
        must_type=must_type,
        is_trial=held is not None and held.is_trial,
    )
    if posted and form.is_valid():
        asked = require_reauthentication(
            request, f"disable {product.name} for {account.name}"
        )
        if asked is not None:
            return asked
        with form_errors(form):
            ended = disable(
                actor,
                account=account,
                product=product,
                drain_mode=form.cleaned_data["drain_mode"],
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"{product.name} is disabled for {account.name}. New connections are refused "
                f"now. {'The trial ended.' if ended.is_trial else _BILLED[form.cleaned_data['drain_mode']]}",
                product=product.pk,
            )
            return redirect("products")
    state = state_of(account, product, timezone.now())
    active = active_versions(state.services)
    enablement = state.enablement
    stops = [
        (service, active.get(service.pk), panel.usage.open.of(service.pk))
        for service in state.services
    ]
    # Those with connections first, then those with an active version.
    stops.sort(key=lambda row: (-row[2], row[1] is None, row[0].name))
    context = {
        "state": state,
        "product": product,
        "form": form,
        "stops": stops[:SERVICES_SHOWN],
        "more_stops": len(stops[SERVICES_SHOWN:]),
        "usage_panel": panel,
        "can_disable": enablement is not None
        and disable_refusal(product, enablement) is None,
    }
    status = form_status(form) if posted else HTTPStatus.OK
    return render(request, "products/disable.html", context, status=status)
