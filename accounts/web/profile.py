"""The profile of the signed-in person: their name, and what they choose for this browser."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of, current_membership, memberships_of
from accounts.commands.profiles import rename_user
from accounts.form_errors import form_errors, form_status


class NameForm(forms.Form):
    """The name of a person."""

    name = forms.CharField(
        label="Name",
        help_text="How others see you in members, services and the audit trail.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


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
    context = {"form": form, "here": here, "memberships": memberships_of(request)}
    return render(request, "accounts/profile.html", context, status=form_status(form))
