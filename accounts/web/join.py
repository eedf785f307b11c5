"""The page behind an invitation's link."""

from http import HTTPStatus

from allauth.account.utils import perform_login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.actor import Interface
from accounts.authentication import choose_account, context_of
from accounts.commands.invitations import (
    accept_invitation,
    require_acceptable,
    require_own_address,
)
from accounts.commands.mail import invitation_id_of
from accounts.commands.users import user_with_email
from accounts.errors import Conflict, Invalid, NotFound
from accounts.form_errors import add_refusal, form_status
from accounts.models import Invitation, User
from accounts.web.forms import JoinForm


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, key: str) -> HttpResponse:
    """Show an invitation; on POST accept it, as the signed-in user or as a new one."""
    invitation = _invitation(key)
    try:
        require_acceptable(invitation, now=timezone.now())
        if request.user.is_authenticated or user_with_email(invitation.email):
            return _join_as_existing_user(request, invitation)
        return _join_as_new_user(request, invitation)
    except Conflict as refusal:
        context = {"refusal": refusal, "invitation": invitation}
        return render(
            request, "accounts/join_refused.html", context, status=HTTPStatus.CONFLICT
        )


def _invitation(key: str) -> Invitation:
    found = invitation_id_of(key)
    invitation = Invitation.objects.select_related("account").filter(pk=found).first()
    if invitation is None:
        raise NotFound(
            "This invitation link is not valid. Open it from the email again."
        )
    return invitation


def _join_as_existing_user(
    request: HttpRequest, invitation: Invitation
) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    if request.method == "POST":
        return _accept(request, invitation, user)
    if user is not None:
        require_own_address(invitation, user)
    context = {"invitation": invitation, "joiner": user, "path": request.path}
    return render(request, "accounts/join.html", context)


def _join_as_new_user(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = JoinForm(request.POST or None, initial={"name": invitation.name})
    if request.method == "POST" and form.is_valid():
        try:
            return _accept(request, invitation, None, **form.cleaned_data)
        except Invalid as refusal:
            add_refusal(form, refusal)
    context = {"invitation": invitation, "form": form, "path": request.path}
    return render(request, "accounts/join.html", context, status=form_status(form))


def _accept(
    request: HttpRequest, invitation: Invitation, user: User | None, **fields: str
) -> HttpResponse:
    """Accept the invitation, sign a new user in, and redirect to the account's home page."""
    member = accept_invitation(
        context_of(request, Interface.WEB),
        invitation=invitation,
        user=user,
        now=timezone.now(),
        **fields,
    )
    response: HttpResponse = HttpResponseRedirect("/")
    if user is None:
        response = perform_login(
            request, member.user, email_verification="none", redirect_url="/"
        )
    choose_account(request, member)
    messages.success(
        request, f"You joined {invitation.account.name}. Your role is {member.role}."
    )
    return response
