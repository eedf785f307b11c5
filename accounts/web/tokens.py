"""The pages of API tokens: the user's own, and other members' for those who may manage them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts import queries
from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.commands.tokens import Issued, issue_automation_token, issue_token
from accounts.commands.tokens import revoke_token as revoke
from accounts.form_errors import form_errors, form_status
from accounts.lists import ListForm, page_of, some_of
from accounts.models import ApiToken
from accounts.policy import decide, require
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from accounts.service_picker import is_searching, pick_services
from accounts.shown_once import keep_secret, take_secret
from accounts.web.forms import AutomationTokenForm, TokenForm

PAGE: Final = 25
ORDERS: Final = {"": ("-created_at", "pk"), "name": ("name", "pk")}
SERVICES_SHOWN: Final = 3  # of one token


class TokenListForm(ListForm):
    """The search and filter of the lists of tokens."""

    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any"), ("valid", "Valid"), ("expired", "Expired")],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "Newest first"), ("name", "By name")],
    )


@require_GET
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """List the tokens that the user may revoke."""
    actor = actor_of(request)
    now = timezone.now()
    form = TokenListForm(request.GET)
    account = queries.account_of(actor)
    own, others = queries.tokens_of(actor), queries.tokens_of_others(actor)
    automation = queries.automation_tokens_to_manage(actor)
    count = own.count()
    own, others, automation = (
        _narrowed(rows, form, now) for rows in (own, others, automation)
    )
    order = ORDERS[form.chosen("sort")]
    own_page = page_of(request, own, order=order, size=PAGE)
    others_page = page_of(request, others, order=order, size=PAGE, prefix="others-")
    automation_page = page_of(
        request, automation, order=order, size=PAGE, prefix="automation-"
    )
    listed = [*own_page.rows, *others_page.rows, *automation_page.rows]
    names = _service_names(actor, listed)
    context = {
        "form": form,
        "count": count,
        "own_page": own_page,
        "own": [_row(token, names, now) for token in own_page.rows],
        "others_page": others_page,
        "others": [_row(token, names, now) for token in others_page.rows],
        "automation_page": automation_page,
        "automation": [_row(token, names, now) for token in automation_page.rows],
        "may": decide(actor, Permission.TOKEN_OWN, account),
        "may_automate": decide(actor, Permission.TOKEN_AUTOMATE, account),
    }
    return render(request, "accounts/tokens.html", context)


def _narrowed(
    rows: QuerySet[ApiToken], form: TokenListForm, now: datetime
) -> QuerySet[ApiToken]:
    """Keep the tokens that a form selects."""
    if search := form.chosen("q"):
        rows = queries.matching_tokens(rows, search)
    if state := form.chosen("state"):
        expired = Q(expires_at__lte=now)
        rows = rows.filter(expired) if state == "expired" else rows.exclude(expired)
    return rows


@require_http_methods(["GET", "POST"])
@login_required
def new_token(request: HttpRequest) -> HttpResponse:
    """Create a token; the next page shows its secret once."""
    actor = actor_of(request)
    require(actor, Permission.TOKEN_OWN, queries.account_of(actor))
    return _new_token(request, actor, TokenForm, issue_token)


@require_http_methods(["GET", "POST"])
@login_required
def new_automation_token(request: HttpRequest) -> HttpResponse:
    """Create an automation token; the next page shows its secret once."""
    actor = actor_of(request)
    require(actor, Permission.TOKEN_AUTOMATE, queries.account_of(actor))
    return _new_token(request, actor, AutomationTokenForm, issue_automation_token)


def _new_token(
    request: HttpRequest,
    actor: Actor,
    form_class: type[TokenForm],
    issue: Callable[..., Issued],
) -> HttpResponse:
    """Show the form of a token; on POST create it with the command."""
    now = timezone.now()
    sent = request.POST if request.method == "POST" else None
    chosen = sent.getlist("services") if sent is not None else []
    picker = pick_services(actor, chosen, sent)
    if is_searching(sent):
        typed = request.POST.dict() | {"services": chosen}
        form = form_class(picker=picker, today=timezone.localdate(now), initial=typed)
        return render(request, "accounts/new_token.html", {"form": form})
    form = form_class(sent, picker=picker, today=timezone.localdate(now))
    if sent is not None and form.is_valid():
        asked = require_reauthentication(request, "create an API token")
        if asked is not None:
            return asked
        with form_errors(form, {"expires_at": "expires_on"}):
            issued = issue(actor, now=now, **form.wanted)
            keep_secret(request, issued.token.pk, issued.secret)
            return redirect("token_created", token_id=issued.token.pk)
    status = form_status(form) if request.method == "POST" else HTTPStatus.OK
    return render(request, "accounts/new_token.html", {"form": form}, status=status)


@require_GET
@login_required
def token_created(request: HttpRequest, token_id: str) -> HttpResponse:
    """Show the secret of a token that was just created, once."""
    token = queries.token_of(actor_of(request), token_id)
    context = {"token": token, "secret": take_secret(request, token.pk)}
    return render(request, "accounts/token_created.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def revoke_token(request: HttpRequest, token_id: str) -> HttpResponse:
    """Show what stops working; on POST revoke the token."""
    actor = actor_of(request)
    token = queries.token_of(actor, token_id)
    if request.method == "GET":
        context = {"token": token, "is_own": token.user_id == actor.user_id}
        return render(request, "accounts/revoke_token.html", context)
    asked = require_reauthentication(request, f"revoke the API token {token.name}")
    if asked is not None:
        return asked
    revoke(actor, token=token, now=timezone.now())
    messages.success(request, f"Revoked token {token.name}. Calls with it are refused.")
    return HttpResponseRedirect(reverse("tokens"))


def _service_names(actor: Actor, tokens: Iterable[ApiToken]) -> dict[str, str]:
    """Return the names of the first services that tokens are limited to, by id."""
    ids = {key for token in tokens for key in token.services[:SERVICES_SHOWN]}
    return {service.id: service.name for service in queries.services_of(actor, ids)}


def _row(token: ApiToken, names: dict[str, str], now: datetime) -> dict[str, object]:
    return {
        "row": token,
        "services": some_of(
            [names.get(key, key) for key in token.services], SERVICES_SHOWN
        ),
        "expired": token.expires_at is not None and token.expires_at <= now,
    }
