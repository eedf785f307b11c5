"""The page where a member's access is limited to chosen services, each with a level (R21)."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts import queries
from accounts.authentication import actor_of
from accounts.commands.members import limit_services
from accounts.form_errors import form_errors, form_status
from accounts.models import Membership
from accounts.policy import require
from accounts.reauthentication import require_reauthentication
from accounts.roles import ROLES_WITH_LIMITED_ACCESS, AccessLevel, Permission
from accounts.service_picker import (
    ServicePicker,
    chosen_levels,
    is_searching,
    level_fields,
    levels_in,
    pick_services,
)


class AccessForm(forms.Form):
    """All services, or chosen ones with a level on each."""

    limited = forms.ChoiceField(
        label="Which services",
        choices=[
            ("no", "All services, including future ones"),
            ("yes", "Chosen services only"),
        ],
        widget=forms.RadioSelect,
    )

    def __init__(
        self, *args: Any, picker: ServicePicker, levels: Mapping[str, str], **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.picker = picker
        self.fields |= level_fields(picker, levels)

    @property
    def is_limited(self) -> bool:
        """Tell whether only chosen services are meant."""
        return bool(self.cleaned_data["limited"] == "yes")

    @property
    def chosen(self) -> dict[str, AccessLevel]:
        """Return the chosen services' ids with their levels; none if all services are meant."""
        if not self.is_limited:
            return {}
        return chosen_levels(self, self.picker)


@require_http_methods(["GET", "POST"])
@login_required
def member_access(request: HttpRequest, membership_id: str) -> HttpResponse:
    """Show which services a member can access, and replace the whole list."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    person = queries.member_of(actor, account, membership_id)
    require(actor, Permission.MEMBER_MANAGE, account)
    sent = request.POST if request.method == "POST" else None
    levels = levels_in(request.POST) if sent is not None else _levels_of(person)
    limited = {"limited": "yes" if person.limit_services else "no"}
    form = AccessForm(
        None if is_searching(sent) else sent,
        picker=pick_services(actor, levels, sent),
        levels=levels,
        initial=request.POST.dict() or limited,
    )
    if form.is_valid():
        asked = require_reauthentication(
            request, f"change {person.user}'s access to services"
        )
        if asked is not None:
            return asked
        with form_errors(form, {"services": "limited"}):
            limit_services(
                actor,
                membership=person,
                limited=form.is_limited,
                services=form.chosen,
                now=timezone.now(),
            )
            what = "chosen services" if form.is_limited else "all services"
            messages.success(
                request,
                f"{person.user} has access to {what}. It takes effect on the next request.",
            )
            return HttpResponseRedirect(reverse("member", args=[person.pk]))
    context = {
        "form": form,
        "person": {"id": person.pk, "name": str(person.user), "role": person.role},
        "limitable": person.role in ROLES_WITH_LIMITED_ACCESS,
    }
    return render(request, "products/access.html", context, status=form_status(form))


def _levels_of(person: Membership) -> dict[str, str]:
    """Return the levels that a member has now, by service id."""
    held = queries.grants_in(person.account_id, [person.user_id])
    return {each.service.id: each.level for each in held.get(person.user_id, ())}
