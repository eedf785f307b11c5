"""Re-authentication: a user proves their identity again before a sensitive action.

It is valid for five minutes. allauth asks the user and keeps the records. Three things differ:
allauth lets a user without a password and a second factor pass, here they must add one. allauth
stores a POST and repeats it after the confirmation, here only the typed values return to the form.
And allauth's limit ends up to a second early.
"""

import time
from typing import Final
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse

from accounts.authentication import memberships_of
from accounts.models import User
from accounts.queries import needs_second_factor

KEPT_INPUT: Final = "typed_before_reauthentication"
# The typed values are kept in the session; a longer form must be typed again.
MAX_INPUT_LENGTH: Final = 8_000
NEVER_KEPT_FIELDS: Final = frozenset({"csrfmiddlewaretoken", "password", "secret"})


def require_reauthentication(request: HttpRequest) -> HttpResponse | None:
    """Return the redirect to re-authentication, or None if the user may continue."""
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login(request.get_full_path())
    methods = get_adapter(request).get_reauthentication_methods(user)
    if not methods:
        return render(request, "accounts/enrol.html", status=403)
    if lacks_second_factor(request):
        return send_to_enrol(request)
    if is_recently_authenticated(request):
        return None
    _keep_input(request)
    return HttpResponseRedirect(
        f"{methods[0]['url']}?{urlencode({'next': request.get_full_path()})}"
    )


def is_recently_authenticated(request: HttpRequest) -> bool:
    """Return whether the last re-authentication is at most five minutes old; sign-in is not one."""
    confirmed = [
        record["at"]
        for record in get_authentication_records(request, request.user)
        if record.get("reauthenticated")
    ]
    limit: int = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return bool(confirmed) and time.time() - confirmed[-1] <= limit


def lacks_second_factor(request: HttpRequest) -> bool:
    """Return whether the user needs a second factor (by the operator's setting) and has none."""
    user = request.user
    if not settings.SECOND_FACTOR_REQUIRED or not isinstance(user, User):
        return False
    return needs_second_factor(user, memberships_of(request)) and not is_mfa_enabled(
        user
    )


def send_to_enrol(request: HttpRequest) -> HttpResponse:
    """Redirect to the page where second factors are added, with a message that says why."""
    messages.warning(
        request,
        "Your role requires a second factor. Add a passkey or an authenticator app first.",
    )
    return HttpResponseRedirect(reverse("mfa_index"))


def kept_input(request: HttpRequest) -> QueryDict | None:
    """Return, once, the values typed into this page's form before the re-authentication."""
    kept = request.session.get(KEPT_INPUT)
    if not kept or kept["path"] != request.path or request.method != "GET":
        return None
    del request.session[KEPT_INPUT]
    return QueryDict(kept["input"])


def _keep_input(request: HttpRequest) -> None:
    if request.method != "POST":
        return
    typed = request.POST.copy()
    for name in NEVER_KEPT_FIELDS & typed.keys():
        del typed[name]
    encoded = typed.urlencode()
    if len(encoded) <= MAX_INPUT_LENGTH:
        request.session[KEPT_INPUT] = {"path": request.path, "input": encoded}
