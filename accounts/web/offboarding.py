"""The pages on which superusers disable a member, end their sessions and revoke their tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

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
from accounts.commands import offboarding as commands
from accounts.errors import NotFound
from accounts.form_errors import form_errors, form_status
from accounts.models import Membership
from accounts.policy import require
from accounts.reauthentication import require_reauthentication
from accounts.roles import Permission


class OffboardForm(forms.Form):
    """The reason of an offboarding."""

    reason = forms.CharField(
        label="Reason",
        help_text="It is kept in the audit trail.",
        widget=forms.Textarea({"rows": 2}),
    )


@dataclass(frozen=True, slots=True)
class Deed:
    """What a page does: its words with the member's name, the permission and the command."""

    title: str  # after "Confirm to"; {name} is the member
    done: str
    effects: Sequence[str]
    permission: Permission
    command: Callable[..., None]
    danger: bool = True


DEEDS: Final = {
    "disable": Deed(
        "disable {name}",
        "Disabled {name}.",
        (
            "{name} can no longer open the account; API calls with their tokens are refused.",
            "Their role and their access to services are kept, so that you can enable them again.",
            "Their other accounts are not affected.",
        ),
        Permission.MEMBER_REMOVE,
        commands.disable_member,
    ),
    "enable": Deed(
        "enable {name}",
        "Enabled {name}.",
        ("{name} can open the account again; their tokens work again.",),
        Permission.MEMBER_MANAGE,
        commands.enable_member,
        danger=False,
    ),
    "end-sessions": Deed(
        "sign {name} out everywhere",
        "Signed {name} out everywhere.",
        (
            "Every browser in which {name} is signed in is signed out, also from other accounts.",
            "{name} can sign in again.",
        ),
        Permission.MEMBER_REMOVE,
        commands.end_member_sessions,
    ),
    "revoke-tokens": Deed(
        "revoke the API tokens of {name}",
        "Revoked the API tokens of {name}.",
        (
            "API calls with these tokens are refused. Revoked tokens can't be restored.",
            "{name} can create new ones.",
        ),
        Permission.TOKEN_MANAGE,
        commands.revoke_member_tokens,
    ),
}


@require_http_methods(["GET", "POST"])
@login_required
def offboard(request: HttpRequest, membership_id: str, deed: str) -> HttpResponse:
    """Show what ends; on POST carry it out."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    person = queries.member_of(actor, account, membership_id)
    if deed not in DEEDS:
        raise NotFound("Page not found.")
    chosen = DEEDS[deed]
    require(actor, chosen.permission, account)
    name = str(person.user)
    form = OffboardForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        asked = require_reauthentication(request, chosen.title.format(name=name))
        if asked is not None:
            return asked
        with form_errors(form, {"": "reason"}):
            chosen.command(
                actor,
                membership=person,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            messages.success(request, chosen.done.format(name=name))
            return HttpResponseRedirect(reverse("member", args=[person.pk]))
    context = _context(person, deed, timezone.now()) | {"form": form}
    status = form_status(form) if request.method == "POST" else HTTPStatus.OK
    return render(request, "accounts/offboard.html", context, status=status)


def open_things_of(person: Membership, now: datetime) -> dict[str, Any]:
    """Return a member's open invitations and active tokens, which reviews list."""
    return {
        "open_invitations": list(queries.open_invitations_of(person)),
        "active_tokens": list(queries.active_tokens_of(person, now)),
    }


def _context(person: Membership, deed: str, now: datetime) -> dict[str, Any]:
    chosen, name = DEEDS[deed], str(person.user)
    title = chosen.title.format(name=name)
    return {
        "deed": deed,
        "title": title[:1].upper() + title[1:],
        "effects": [effect.format(name=name) for effect in chosen.effects],
        "danger": chosen.danger,
        "person": {"id": person.pk, "name": name, "email": person.user.email},
    } | open_things_of(person, now)
