"""A request for a product: what became of it, with its answers for those who may give them."""

from http import HTTPStatus

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.policy import decide, require
from accounts.queries import account_of
from accounts.roles import Permission
from products.enablement.commands import decline_request, withdraw_request
from products.enablement.models import MAX_NOTE_LENGTH, ProductRequest
from products.enablement.queries import request_of

STATES = {
    ProductRequest.State.OPEN: ("ask", "Open"),
    ProductRequest.State.GRANTED: ("pass", "Granted"),
    ProductRequest.State.ANSWERED: ("pass", "Answered"),
    ProductRequest.State.DECLINED: ("fail", "Declined"),
    ProductRequest.State.WITHDRAWN: ("off", "Withdrawn"),
}


class DeclineForm(forms.Form):
    """Why a request is declined."""

    reason = forms.CharField(
        label="Reason",
        max_length=MAX_NOTE_LENGTH,
        help_text="The person who requested it reads this.",
        widget=forms.Textarea({"rows": 2}),
    )


@require_GET
@login_required
def product_request(request: HttpRequest, request_id: int) -> HttpResponse:
    """Show a request, with the answers that the reader may give."""
    actor = actor_of(request)
    return _page(request, actor, _readable(actor, request_id), DeclineForm())


@require_POST
@login_required
def decline(request: HttpRequest, request_id: int) -> HttpResponse:
    """Decline a request with a reason."""
    actor = actor_of(request)
    asked = _readable(actor, request_id)
    require(actor, Permission.PRODUCT_ENABLE, asked)
    form = DeclineForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            decline_request(
                actor,
                request=asked,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"Declined the request for {asked.product.name}.",
                product=asked.product_id,
            )
            return redirect("product_request", asked.pk)
    return _page(request, actor, asked, form)


@require_POST
@login_required
def withdraw(request: HttpRequest, request_id: int) -> HttpResponse:
    """Withdraw one's own request."""
    actor = actor_of(request)
    asked = _readable(actor, request_id)
    withdraw_request(actor, request=asked, now=timezone.now())
    success_with_audit_link(
        request,
        actor,
        f"Withdrew the request for {asked.product.name}.",
        product=asked.product_id,
    )
    return redirect("product_request", asked.pk)


def _readable(actor: Actor, request_id: int) -> ProductRequest:
    """Return a request that the actor sent or may answer. Raises NotFound and Forbidden."""
    asked = request_of(account_of(actor), request_id)
    if asked.user_id != actor.user_id:
        require(actor, Permission.PRODUCT_ENABLE, asked)
    return asked


def _page(
    request: HttpRequest, actor: Actor, asked: ProductRequest, form: DeclineForm
) -> HttpResponse:
    is_open = asked.state == ProductRequest.State.OPEN
    shape, word = STATES[ProductRequest.State(asked.state)]
    context = {
        "asked": asked,
        "shape": shape,
        "word": word,
        "form": form,
        "may_answer": is_open
        and decide(actor, Permission.PRODUCT_ENABLE, asked).allowed,
        "may_withdraw": is_open and asked.user_id == actor.user_id,
    }
    status = form_status(form) if form.is_bound else HTTPStatus.OK
    return render(request, "products/request.html", context, status=status)
