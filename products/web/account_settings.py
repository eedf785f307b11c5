"""The settings of the account: its name and time zone, how it is billed, how its members sign in."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.commands.notices import set_notice_defaults
from accounts.commands.profiles import choose_account_time_zone, rename_account
from accounts.form_errors import form_errors, form_status
from accounts.models import Account
from accounts.notices import topics_of
from accounts.policy import load_access
from accounts.queries import account_of
from accounts.roles import SECOND_FACTOR_ROLES, Permission
from accounts.security_policy import session_limits
from accounts.time_zones import TimeZoneForm
from products.billing.queries.terms import currency_of, month_at, period_of
from products.services.queries import services_of


class AccountNameForm(forms.Form):
    """The name of an account."""

    name = forms.CharField(
        label="Name", help_text="On every page, in emails and on invoices."
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_settings(request: HttpRequest) -> HttpResponse:
    """Show the settings of the account; POST changes its name."""
    actor, now = actor_of(request), timezone.now()
    account = account_of(actor)
    form = AccountNameForm(
        request.POST if request.method == "POST" else None,
        initial={"name": account.name},
    )
    if form.is_valid():
        with form_errors(form):
            rename_account(
                actor, account=account, name=form.cleaned_data["name"], now=now
            )
            messages.success(request, "Saved the account's name.")
            return redirect("account_settings")
    return _page(request, actor, account, form=form)


@require_POST
@login_required
def account_time_zone(request: HttpRequest) -> HttpResponse:
    """Set the account's time zone; show the settings again if it can't be chosen."""
    actor, now = actor_of(request), timezone.now()
    account = account_of(actor)
    form = TimeZoneForm(request.POST)
    if form.is_valid():
        with form_errors(form):
            choose_account_time_zone(
                actor,
                account=account,
                time_zone=form.cleaned_data["time_zone"],
                now=now,
            )
            messages.success(request, "Saved the account's time zone.")
            return redirect("account_settings")
    return _page(request, actor, account, zone_form=form)


@require_POST
@login_required
def account_notices(request: HttpRequest) -> HttpResponse:
    """Set which notices members get by email who have not chosen themselves."""
    actor = actor_of(request)
    set_notice_defaults(
        actor,
        account=account_of(actor),
        by_email=request.POST.getlist("topic"),
        now=timezone.now(),
    )
    messages.success(request, "Saved which notices members get by email.")
    return redirect("account_settings")


def _page(
    request: HttpRequest,
    actor: Actor,
    account: Account,
    *,
    form: AccountNameForm | None = None,
    zone_form: TimeZoneForm | None = None,
) -> HttpResponse:
    """Render the page with the form that was sent."""
    access = load_access(actor, account.pk)
    month = month_at(account, timezone.now())
    form = form or AccountNameForm(initial={"name": account.name})
    status = form_status(zone_form or form)
    context = {
        "form": form,
        "zone_form": zone_form
        or TimeZoneForm(initial={"time_zone": account.time_zone}),
        "row": account,
        "configuring": access.decide(Permission.ACCOUNT_CONFIGURE),
        "billing": access.decide(Permission.BILLING_READ),
        "currency": currency_of(account, month),
        "zone": period_of(account, month).zone,
        "factor_required": settings.SECOND_FACTOR_REQUIRED,
        "factor_roles": sorted(SECOND_FACTOR_ROLES),
        "limits": (
            ("Superusers and billing", session_limits([account], strict=True)),
            ("Others", session_limits([account], strict=False)),
        ),
        "topics": topics_of(None, account),
        "service_count": services_of(actor).count(),
    }
    return render(request, "products/account_settings.html", context, status=status)
