"""The pages of an account's members: roles, access to services, invitations."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import queries
from accounts.actor import Actor
from accounts.authentication import actor_of
from accounts.commands import members as commands
from accounts.commands.invitations import invite as send_invitation
from accounts.commands.invitations import resend_invitation as send_again
from accounts.commands.invitations import revoke_invitation as withdraw
from accounts.date_formats import day_text
from accounts.feedback import success_with_audit_link
from accounts.form_errors import form_errors, form_status
from accounts.lists import page_of, some_of
from accounts.models import Account, Membership
from accounts.policy import decide, load_access, require
from accounts.queries import Grant
from accounts.reauthentication import require_reauthentication
from accounts.roles import (
    ROLE_PERMISSIONS,
    ROLES_WITH_LIMITED_ACCESS,
    Permission,
    Role,
    gained_abilities,
)
from accounts.service_picker import is_searching, levels_in, pick_services
from accounts.web.forms import InviteForm, MemberListForm, RoleForm
from accounts.web.offboarding import open_things_of

INVITATIONS_PAGE: Final = 10
SERVICES_SHOWN: Final = 3  # of one member in the list


@require_GET
@login_required
def members(request: HttpRequest) -> HttpResponse:
    """List the members and the open invitations."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    everyone = queries.members_of(actor, account)
    form = MemberListForm(request.GET)
    orders = {"new": ("-created_at", "pk")}
    page = page_of(
        request,
        _narrowed(everyone, account, form),
        order=orders.get(form.chosen("sort"), ("user__name", "pk")),
    )
    invited = page_of(
        request,
        queries.open_invitations(actor, account),
        order=("-created_at", "pk"),
        size=INVITATIONS_PAGE,
        prefix="invited-",
    )
    user_ids = [person.user_id for person in page.rows]
    grants = queries.grants_in(account.pk, user_ids)
    access = load_access(actor, account.pk)
    factors = queries.second_factors_of(user_ids)
    now = timezone.now()
    superusers = everyone.filter(role=Role.SUPERUSER)
    context = {
        "form": form,
        "page": page,
        "total": everyone.count(),
        "people": [
            _row(person, actor, grants) | {"factor": factors.get(person.user_id, "")}
            for person in page.rows
        ],
        "invited": invited,
        "invitations": [
            {"row": row, "expired": not queries.is_open(row, now)}
            for row in invited.rows
        ],
        "manage": access.decide(Permission.MEMBER_MANAGE),
        "invite": access.decide(Permission.MEMBER_INVITE),
        "superusers": list(superusers.values_list("user__name", flat=True)),
    }
    return render(request, "accounts/members.html", context)


def _narrowed(
    rows: QuerySet[Membership], account: Account, form: MemberListForm
) -> QuerySet[Membership]:
    """Keep the members that a form selects."""
    if search := form.chosen("q"):
        rows = queries.matching_members(rows, search)
    if role := form.chosen("role"):
        rows = rows.filter(role=role)
    if form.chosen("can"):
        rows = rows.filter(pk__in=queries.configurers_of(account.pk).values("pk"))
    return rows


@require_http_methods(["GET", "POST"])
@login_required
def member(request: HttpRequest, membership_id: str) -> HttpResponse:
    """Show a member; GET with a role shows a review of the change, POST makes it."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    person = queries.member_of(actor, account, membership_id)
    typed = request.POST if request.method == "POST" else request.GET
    if "role" not in typed:
        return render(request, "accounts/member.html", _member_context(actor, person))
    require(actor, Permission.MEMBER_MANAGE, account)
    form = RoleForm(typed)
    if request.method == "POST" and form.is_valid():
        asked = require_reauthentication(
            request, f"change {person.user}'s role to {form.cleaned_data['role']}"
        )
        if asked is not None:
            return asked
        return _change_role(request, actor, person, form)
    context = _member_context(actor, person, form)
    status = HTTPStatus.OK if form.is_valid() else HTTPStatus.BAD_REQUEST
    return render(request, "accounts/member.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def remove_member(request: HttpRequest, membership_id: str) -> HttpResponse:
    """Show what removing a member ends; on POST remove them."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    person = queries.member_of(actor, account, membership_id)
    require(actor, Permission.MEMBER_REMOVE, account)
    asked = require_reauthentication(
        request, f"remove {person.user} from {account.name}"
    )
    if asked is not None:
        return asked
    is_self = _is_self(person, actor)
    context: dict[str, Any] = {
        "person": member_context(person) | {"is_self": is_self},
    } | open_things_of(person, timezone.now())
    if request.method == "GET":
        return render(request, "accounts/remove_member.html", context)
    try:
        commands.remove_member(actor, membership=person, now=timezone.now())
    except commands.LastSuperuser as refusal:
        context |= {"refusal": refusal.message}
        return render(
            request, "accounts/remove_member.html", context, status=HTTPStatus.CONFLICT
        )
    success_with_audit_link(
        request, actor, f"Removed {person.user} from {account.name}."
    )
    return HttpResponseRedirect("/" if is_self else reverse("members"))


@require_http_methods(["GET", "POST"])
@login_required
def invite(request: HttpRequest) -> HttpResponse:
    """Invite someone by email."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    require(actor, Permission.MEMBER_INVITE, account)
    sent = request.POST if request.method == "POST" else None
    picker = pick_services(actor, levels_in(request.POST), sent)
    if sent is None or is_searching(sent):
        form = InviteForm(picker=picker, initial=request.POST.dict())
        return render(request, "accounts/invite.html", {"form": form})
    form = InviteForm(sent, picker=picker)
    if form.is_valid():
        asked = require_reauthentication(
            request, f"invite {form.cleaned_data['email']}"
        )
        if asked is not None:
            return asked
        with form_errors(form, {"": "email"}):
            invited = send_invitation(
                actor,
                account=account,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                limit_services=form.cleaned_data["limit_services"],
                services=form.levels,
                now=timezone.now(),
            )
            success_with_audit_link(
                request,
                actor,
                f"Invited {invited.email} as {invited.role}. "
                f"The link works until {day_text(invited.expires_at)}.",
            )
            return HttpResponseRedirect(reverse("members"))
    context = {"form": form}
    return render(request, "accounts/invite.html", context, status=form_status(form))


@require_POST
@login_required
def resend_invitation(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Send an invitation again with a new link."""
    actor = actor_of(request)
    account = queries.account_of(actor)
    require(actor, Permission.INVITATION_RESEND, account)
    invitation = queries.invitation_of(actor, account, invitation_id)
    asked = require_reauthentication(
        request, f"send the invitation for {invitation.email} again"
    )
    if asked is not None:
        return asked
    sent = send_again(actor, invitation=invitation, now=timezone.now())
    success_with_audit_link(
        request,
        actor,
        f"Sent the invitation for {sent.email} again. The new link works until "
        f"{day_text(sent.expires_at)}; the earlier one no longer works.",
    )
    return HttpResponseRedirect(reverse("members"))


@require_POST
@login_required
def revoke_invitation(request: HttpRequest, invitation_id: str) -> HttpResponse:
    """Withdraw an invitation."""
    actor = actor_of(request)
    invitation = queries.invitation_of(actor, queries.account_of(actor), invitation_id)
    withdraw(actor, invitation=invitation, now=timezone.now())
    success_with_audit_link(
        request,
        actor,
        f"Withdrew the invitation for {invitation.email}. Its link no longer works.",
    )
    return HttpResponseRedirect(reverse("members"))


def member_context(person: Membership) -> dict[str, Any]:
    """Return a member as the pages show them."""
    return {
        "id": person.pk,
        "name": str(person.user),
        "email": person.user.email,
        "role": Role(person.role),
        "role_label": person.role.capitalize(),
        "limited": person.is_limited,
        "disabled_at": person.disabled_at,
        "last_login": person.user.last_login,
        "joined_at": person.created_at,
    }


def _row(
    person: Membership, actor: Actor, grants: Mapping[str, tuple[Grant, ...]]
) -> dict[str, Any]:
    return member_context(person) | {
        "is_self": _is_self(person, actor),
        "grants": _access_labels(grants.get(person.user_id, ())),
    }


def _access_labels(grants: Sequence[Grant]) -> list[str]:
    names = [f"{each.service.name} {each.level.replace('_', ' ')}" for each in grants]
    return some_of(names, SERVICES_SHOWN)


def _is_self(person: Membership, actor: Actor) -> bool:
    return person.user_id == actor.user_id


def _member_context(
    actor: Actor, person: Membership, form: RoleForm | None = None, refusal: str = ""
) -> dict[str, Any]:
    context: dict[str, Any] = {
        "person": _row(
            person, actor, queries.grants_in(person.account_id, [person.user_id])
        ),
        "manage": decide(actor, Permission.MEMBER_MANAGE, person),
        "remove": decide(actor, Permission.MEMBER_REMOVE, person),
        "form": form or RoleForm(initial={"role": person.role}),
        "refusal": refusal,
        "is_only_superuser": queries.is_only_superuser(person),
        "limitable": person.role in ROLES_WITH_LIMITED_ACCESS,
        "factor": queries.second_factors_of([person.user_id]).get(person.user_id, ""),
    }
    if form is None or not form.is_valid() or form.cleaned_data["role"] == person.role:
        return context
    role = Role(form.cleaned_data["role"])
    return context | {
        "review": {
            "role": role,
            "gains": gained_abilities(Role(person.role), role),
            "loses": gained_abilities(role, Role(person.role)),
            "loses_invite": not (
                {Permission.MEMBER_INVITE, Permission.MEMBER_INVITE_ENGINEERS}
                & ROLE_PERMISSIONS[Role(person.role)]
            )
            <= ROLE_PERMISSIONS[role],
        }
        | open_things_of(person, timezone.now())
    }


def _change_role(
    request: HttpRequest, actor: Actor, person: Membership, form: RoleForm
) -> HttpResponse:
    role = form.cleaned_data["role"]
    try:
        commands.change_role(actor, membership=person, role=role, now=timezone.now())
    except commands.LastSuperuser as refusal:
        context = _member_context(actor, person, form, refusal.message)
        return render(
            request, "accounts/member.html", context, status=HTTPStatus.CONFLICT
        )
    success_with_audit_link(
        request,
        actor,
        f"{person.user}'s role is now {role}. It takes effect on the next request.",
    )
    return HttpResponseRedirect(reverse("member", args=[person.pk]))
