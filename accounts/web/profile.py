"""The profile of the signed-in person: name, time zone, dates, and what they choose for this browser."""

from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import Interface
from accounts.authentication import (
    actor_of,
    context_of,
    current_membership,
    login_actor,
    memberships_of,
    signed_in_user,
)
from accounts.commands.profiles import choose_date_format, choose_time_zone, rename_user
from accounts.date_formats import DateFormat
from accounts.form_errors import form_errors, form_status
from accounts.time_zones import TimeZoneForm


class NameForm(forms.Form):
    """The name of a person."""

    name = forms.CharField(
        label="Name",
        help_text="How others see you in members, services and the audit trail.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


class OwnTimeZoneForm(TimeZoneForm):
    """The time zone of a person, who need not choose one."""

    def __init__(self, *args: Any, **initial: Any) -> None:
        super().__init__(*args, **initial)
        self.fields["time_zone"].required = False


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Show the profile; POST changes the name."""
    here = current_membership(request)
    form = NameForm(
        request.POST if request.method == "POST" else None,
        initial={"name": str(request.user)},
    )
    if here is not None and form.is_valid():
        with form_errors(form):
            rename_user(
                actor_of(request),
                membership=here,
                name=form.cleaned_data["name"],
                now=timezone.now(),
            )
            messages.success(request, "Saved your name.")
            return redirect("profile")
    return _page(request, form, _time_zone_form(request), form_status(form))


@require_POST
@login_required
def choose_own_date_format(request: HttpRequest) -> HttpResponse:
    """Set the format in which the signed-in person reads dates. Raises Invalid for an unknown one."""
    user = signed_in_user(request)
    choose_date_format(
        login_actor(request, user, context_of(request, Interface.WEB)),
        user=user,
        date_format=request.POST.get("date_format", ""),
        now=timezone.now(),
    )
    messages.success(request, "Saved your format of dates.")
    return redirect("profile")


@require_POST
@login_required
def choose_own_time_zone(request: HttpRequest) -> HttpResponse:
    """Set the time zone of the signed-in person; show the profile again if it can't be chosen."""
    user, form = signed_in_user(request), _time_zone_form(request)
    if form.is_valid():
        with form_errors(form):
            choose_time_zone(
                login_actor(request, user, context_of(request, Interface.WEB)),
                user=user,
                time_zone=form.cleaned_data["time_zone"],
                now=timezone.now(),
            )
            messages.success(request, "Saved your time zone.")
            return redirect("profile")
    names = NameForm(initial={"name": str(user)})
    return _page(request, names, form, form_status(form))


def _time_zone_form(request: HttpRequest) -> OwnTimeZoneForm:
    user = signed_in_user(request)
    is_sent = request.method == "POST" and "time_zone" in request.POST
    return OwnTimeZoneForm(
        request.POST if is_sent else None, initial={"time_zone": user.time_zone}
    )


def _page(
    request: HttpRequest, form: NameForm, zone_form: OwnTimeZoneForm, status: HTTPStatus
) -> HttpResponse:
    context = {
        "form": form,
        "zone_form": zone_form,
        "zone": timezone.get_current_timezone_name(),
        "date_formats": list(DateFormat),
        "date_format": signed_in_user(request).date_format,
        "here": current_membership(request),
        "memberships": memberships_of(request),
    }
    return render(request, "accounts/profile.html", context, status=status)
