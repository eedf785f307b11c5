"""The settings of the account: its name, how it is billed, how its members sign in."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.commands.profiles import rename_account
from accounts.form_errors import form_errors, form_status
from accounts.policy import load_access
from accounts.queries import account_of
from accounts.roles import SECOND_FACTOR_ROLES, Permission
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
    access = load_access(actor, account.pk)
    month = month_at(account, now)
    context = {
        "form": form,
        "row": account,
        "configuring": access.decide(Permission.ACCOUNT_CONFIGURE),
        "billing": access.decide(Permission.BILLING_READ),
        "currency": currency_of(account, month),
        "zone": period_of(account, month).zone,
        "factor_required": settings.SECOND_FACTOR_REQUIRED,
        "factor_roles": sorted(SECOND_FACTOR_ROLES),
        "limits": (
            (
                "Superusers and billing",
                settings.SESSION_IDLE_SECONDS_STRICT,
                settings.SESSION_MAX_SECONDS_STRICT,
            ),
            ("Others", settings.SESSION_IDLE_SECONDS, settings.SESSION_MAX_SECONDS),
        ),
        "service_count": services_of(actor).count(),
    }
    return render(
        request, "products/account_settings.html", context, status=form_status(form)
    )
