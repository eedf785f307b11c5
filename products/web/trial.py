"""Start the trial of a product: review how it ends, then confirm (R18)."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.policy import require
from accounts.queries import account_of
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from products.catalogue.queries import product as find_product
from products.enablement.agreements import trial_terms
from products.enablement.commands import Agreement, start_trial
from products.enablement.queries import state_of
from products.enablement.refusals import trial_refusal
from products.web.forms import TrialForm
from products.web.price_display import product_price_line


@login_required
@require_http_methods(["GET", "POST"])
def begin_trial(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how the trial ends and what happens then; POST starts it (R18)."""
    actor = actor_of(request)
    account = account_of(actor)
    product = find_product(slug)
    require(actor, Permission.PRODUCT_ENABLE, account)
    posted = request.method == "POST"
    form = TrialForm(request.POST if posted else None)
    if posted and form.is_valid():
        asked = require_reauthentication(
            request, f"start the trial of {product.name} for {account.name}"
        )
        if asked is not None:
            return asked
        with form_errors(form):
            start_trial(
                actor,
                account=account,
                product=product,
                agreement=Agreement.to(
                    form.cleaned_data["agreed_text"], get_language() or "en"
                ),
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"The trial of {product.name} has started for {account.name}.",
                product=product.pk,
            )
            return redirect("products")
    now = timezone.now()
    state = state_of(account, product, now)
    refusal = trial_refusal(
        product, enablement=state.enablement, trial=state.trial, plan=state.trial_plan
    )
    context = {
        "state": state,
        "product": product,
        "form": form,
        "refusal": refusal,
        "agreed_text": trial_terms(account, state.trial_plan, now=now).text
        if state.trial_plan
        else "",
        "price_line": product_price_line(state),
    }
    status = form_status(form) if posted else HTTPStatus.OK
    return render(request, "products/trial.html", context, status=status)
