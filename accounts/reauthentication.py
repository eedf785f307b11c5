"""Re-authentication: a user proves their identity again at a sensitive action, in place.

It is as strong as signing in: a user with a second factor uses that, others their password. It is
valid for five minutes, and signing in counts as one. The page that asks carries the values of the
form that was sent, so the action continues with the answer. allauth checks the answer and keeps
the records; its own rule lets users without a password and a second factor pass, and repeats a
stored request later, so it is not used.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from allauth.account.authentication import get_authentication_records
from allauth.account.forms import ReauthenticateForm as PasswordForm
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.core import ratelimit
from allauth.mfa import app_settings as mfa_settings
from allauth.mfa.base.forms import ReauthenticateForm as CodeForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.internal.auth import begin_authentication
from allauth.utils import get_form_class
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from accounts.audit.entry_body import CLOCK_TOLERANCE
from accounts.authentication import SAFE_METHODS, memberships_of
from accounts.models import User
from accounts.rate_limit import RETRY_SECONDS
from accounts.return_page import page_of_form
from accounts.security_policy import (
    FACTORS,
    accounts_that_require_factor,
    has_second_factor,
    lacks_second_factor,
    needs_second_factor,
)

PREFIX: Final = "reauthentication"
# The page was only to be read; after the answer it is requested again.
READING: Final = f"{PREFIX}-reading"
NOT_CARRIED: Final = frozenset({"csrfmiddlewaretoken"})
METHODS: Final = ("passkey", "code", "password")
FIELDS: Final = {"code": "code", "password": "password"}  # what is typed, by method
# Another process may have a clock that is ahead. A time further in the future proves nothing.
TOLERANCE: Final = CLOCK_TOLERANCE.total_seconds()
# The session's key for the page that a user was on when they had to add a second factor.
AFTER_ENROLMENT: Final = "after_enrolment"


def require_reauthentication(request: HttpRequest, deed: str) -> HttpResponse | None:
    """Return the page that asks who the user is, or None if they may continue; reading needs none.

    `deed` names the action after "to", such as "enable WebSockets for Acme".
    """
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login(request.get_full_path())
    if request.method in SAFE_METHODS:
        return None
    if not methods_of(user):
        return render(request, "accounts/enrol.html", status=HTTPStatus.FORBIDDEN)
    if must_enrol(request):
        return send_to_enrol(request)
    return confirm_identity(request, user, deed)


def confirm_identity(
    request: HttpRequest, user: User, deed: str
) -> HttpResponse | None:
    """Return the page that asks who the user is, or None if they were asked recently.

    It asks nothing of a user without a password and a second factor: they can only add a factor.
    """
    methods = methods_of(user)
    if not methods or is_recently_authenticated(request):
        return None
    forms = _forms(request, user, methods)
    answered = next((form for form in forms.values() if form.is_bound), None)
    status = HTTPStatus.FORBIDDEN
    if answered is not None:
        if not ratelimit.consume(request, action="reauthenticate", user=user):
            status = HTTPStatus.TOO_MANY_REQUESTS
        elif answered.is_valid():
            _record(request, answered)
            if READING in request.POST:
                return HttpResponseRedirect(request.get_full_path())
            return None
    return _ask(request, user, _Question(deed, forms, status))


def methods_of(user: User) -> tuple[str, ...]:
    """Return how a user proves who they are: by passkey, by code, or else by password."""
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    if kinds.isdisjoint(FACTORS):
        return ("password",) if user.has_usable_password() else ()
    by_code = kinds - {Authenticator.Type.WEBAUTHN}
    by_passkey = Authenticator.Type.WEBAUTHN in kinds
    return (*(["passkey"] if by_passkey else []), *(["code"] if by_code else []))


def is_recently_authenticated(request: HttpRequest) -> bool:
    """Return whether the user signed in or re-authenticated in the last five minutes.

    With a second factor only authentication by a second factor counts.
    """
    user = request.user
    enough = {"mfa"} if has_second_factor(user) else {"mfa", "password"}
    times = [
        record["at"]
        for record in get_authentication_records(request, user)
        if record.get("method") in enough
    ]
    limit: int = settings.REAUTHENTICATION_SECONDS
    now = time.time()
    return any(-TOLERANCE <= now - at <= limit for at in times)


def must_enrol(request: HttpRequest) -> bool:
    """Return whether the user must add a second factor before they can go on."""
    user = request.user
    return isinstance(user, User) and lacks_second_factor(user, memberships_of(request))


def factor_required_by(request: HttpRequest) -> str:
    """Return what requires a second factor of the user: an account's name, or "Your role"; else ""."""
    user, memberships = request.user, memberships_of(request)
    if not isinstance(user, User) or not needs_second_factor(user, memberships):
        return ""
    accounts = accounts_that_require_factor(memberships)
    return accounts[0].name if accounts else "Your role"


def send_to_enrol(request: HttpRequest) -> HttpResponse:
    """Redirect to the page where second factors are added, with a message that says why.

    The session keeps the page that the user was on, and those pages lead back to it.
    """
    is_read = request.method in SAFE_METHODS
    request.session[AFTER_ENROLMENT] = (
        request.get_full_path() if is_read else page_of_form(request)
    )
    unchanged = "" if is_read else "Nothing was changed. "
    messages.warning(
        request,
        f"{unchanged}{factor_required_by(request)} requires a second factor. "
        "Add a passkey or an authenticator app first.",
    )
    return HttpResponseRedirect(reverse("mfa_index"))


@dataclass(frozen=True, slots=True)
class _Question:
    """What the page asks: the deed, a form per method, and the status of the response."""

    deed: str
    forms: Mapping[str, Form]
    status: HTTPStatus


def _forms(
    request: HttpRequest, user: User, methods: tuple[str, ...]
) -> dict[str, Form]:
    """Return a form per method; the one that was answered is bound."""
    chosen = request.POST.get(f"{PREFIX}-method", "")
    classes = {
        "password": PasswordForm,
        "code": get_form_class(mfa_settings.FORMS, "reauthenticate", CodeForm),
        "passkey": get_form_class(
            mfa_settings.FORMS, "reauthenticate_webauthn", ReauthenticateWebAuthnForm
        ),
    }
    return {
        method: classes[method](
            data=request.POST if method == chosen else None,
            user=user,
            prefix=PREFIX,
        )
        for method in methods
    }


def _record(request: HttpRequest, form: Any) -> None:
    """Store in the session that the user re-authenticated; allauth's signal has it noted."""
    if isinstance(form, PasswordForm):
        reauthenticate_by_password(request)
    else:
        form.save()


def _ask(request: HttpRequest, user: User, question: _Question) -> HttpResponse:
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in NOT_CARRIED and not name.startswith(f"{PREFIX}-")
        for value in values
    ]
    if request.method in SAFE_METHODS or READING in request.POST:
        carried = [(READING, "1")]
    context = {
        "deed": question.deed,
        "forms": {method: question.forms.get(method) for method in METHODS},
        "carried": carried,
        "prefix": PREFIX,
        "back": reverse("mfa_index")
        if (READING, "1") in carried
        else request.get_full_path(),
        "retry_seconds": RETRY_SECONDS
        if question.status is HTTPStatus.TOO_MANY_REQUESTS
        else 0,
    }
    first = next(iter(question.forms))
    if first in FIELDS:
        question.forms[first].fields[FIELDS[first]].widget.attrs["autofocus"] = True
    if "passkey" in question.forms:
        context["js_data"] = {"request_options": begin_authentication(user)}
    response = render(
        request, "accounts/reauthenticate.html", context, status=question.status
    )
    if context["retry_seconds"]:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response
