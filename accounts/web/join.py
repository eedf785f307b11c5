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
from accounts.authentication import SESSION_ACCOUNT, context_of
from accounts.commands import invitations as commands
from accounts.commands.mail import invitation_id_of
from accounts.commands.users import user_with_email
from accounts.errors import Conflict, Invalid, NotFound
from accounts.form_errors import add_refusal, form_status
from accounts.models import Invitation, Membership, User
from accounts.web.forms import JoinForm


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, key: str) -> HttpResponse:
    """Show what is offered, and take the seat: as who is signed in, or as somebody new."""
    invitation = _invitation(key)
    try:
        commands.require_acceptable(invitation, now=timezone.now())
        return _answer(request, invitation)
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
            "This invitation's link is damaged. Open it from the mail once more."
        )
    return invitation


def _answer(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    is_new = user is None and user_with_email(invitation.email) is None
    form = JoinForm(request.POST or None) if is_new else None
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            member = commands.accept_invitation(
                context_of(request, Interface.WEB),
                invitation=invitation,
                user=user,
                now=timezone.now(),
                **(form.cleaned_data if form else {}),
            )
        except Invalid as refusal:
            if form is None:
                raise
            add_refusal(form, refusal)
        else:
            return _welcome(request, member)
    status = HTTPStatus.OK if form is None else form_status(form)
    context = {
        "invitation": invitation,
        "form": form,
        "joiner": user,
        "path": request.path,
    }
    return render(request, "accounts/join.html", context, status=status)


def _welcome(request: HttpRequest, member: Membership) -> HttpResponse:
    response: HttpResponse = HttpResponseRedirect("/")
    if not request.user.is_authenticated:
        response = perform_login(
            request, member.user, email_verification="none", redirect_url="/"
        )
    request.session[SESSION_ACCOUNT] = member.account_id
    account = Membership.objects.select_related("account").get(pk=member.pk).account
    messages.success(request, f"You are in {account.name} now, as {member.role}.")
    return response
