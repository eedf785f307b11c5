"""The page on which superusers choose the account's security policy."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of, signed_in_user
from accounts.commands.security_policy import set_security_policy
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import NAMES_SHOWN, names_in_words
from accounts.models import Account
from accounts.policy import members_with
from accounts.queries import account_for, members_without_factor
from accounts.readable import limit_in_words
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission
from accounts.security_policy import (
    Limit,
    SecurityPolicy,
    has_second_factor,
    idle_choices,
    max_choices,
    session_limits,
)


def _seconds(value: str) -> int | None:
    return int(value) if value else None


def _limit_field(label: str) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label, coerce=_seconds, empty_value=None, required=False
    )


class SecurityPolicyForm(forms.Form):
    """What an account requires of its members."""

    second_factor_required = forms.BooleanField(
        label="Every member must have a second factor",
        help_text="A passkey or an authenticator app.",
        required=False,
    )
    session_idle_seconds = _limit_field("Sessions end without use after")
    session_max_seconds = _limit_field("Sessions end, used or not, after")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        strict = session_limits((), strict=True)
        others = session_limits((), strict=False)
        for name, choices, own in (
            ("session_idle_seconds", idle_choices(), (others.idle, strict.idle)),
            ("session_max_seconds", max_choices(), (others.at_most, strict.at_most)),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.TypedChoiceField)  # noqa: S101 - for the type
            field.choices = _options(choices, *own)

    @property
    def policy(self) -> SecurityPolicy:
        """Return what was chosen."""
        return SecurityPolicy(**self.cleaned_data)


def _options(
    choices: Iterable[int], others: Limit, strict: Limit
) -> list[tuple[str, str]]:
    """Return the options of a field; the first leaves it with the operator's limits."""
    portal = f"Portal's limit: {others} (superusers and billing: {strict})"
    limits = [(str(seconds), limit_in_words(seconds)) for seconds in choices]
    return [("", portal), *limits]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def security_policy(request: HttpRequest) -> HttpResponse:
    """Show the security policy and whom it concerns; POST sets it."""
    actor = actor_of(request)
    account = account_for(actor, Permission.ACCOUNT_CONFIGURE)
    before = SecurityPolicy.of(account)
    form = SecurityPolicyForm(
        request.POST if request.method == "POST" else None,
        initial=before.limits()
        | {"second_factor_required": before.second_factor_required},
    )
    if form.is_valid():
        if form.policy == before:
            return HttpResponseRedirect(reverse("account_settings"))
        deed = f"change the security policy of {account.name}"
        if asked := require_reauthentication(request, deed):
            return asked
        with form_errors(form):
            set_security_policy(
                actor, account=account, policy=form.policy, now=timezone.now()
            )
            success_with_audit_link(
                request,
                actor,
                "Saved the security policy. It takes effect on each member's next request.",
            )
            return HttpResponseRedirect(reverse("account_settings"))
    context = {
        "form": form,
        "row": account,
        "has_factor": has_second_factor(signed_in_user(request)),
        "concerned": _concerned(account),
    }
    status = form_status(form)
    return render(request, "accounts/security_policy.html", context, status=status)


def _concerned(account: Account) -> dict[str, Any]:
    """Return how many members have no second factor, of how many, and the first by name."""
    lacking = members_without_factor(account.pk)
    count = lacking.count()
    names = [str(row.user) for row in lacking[:NAMES_SHOWN]]
    return {
        "count": count,
        "total": members_with(Permission.ACCOUNT_READ, account.pk).count(),
        "names": names_in_words(names, total=count),
    }
