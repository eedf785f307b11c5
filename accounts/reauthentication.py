"""Step-up: who they are is confirmed again, five minutes at most before something sensitive.

allauth asks and keeps the records; three things it leaves open are closed here. Somebody with
neither a password nor a second factor passes its gate unasked: here they are sent to enrol one. A
POST that meets its gate is stored, and carried out by the confirmation itself: here it is dropped,
and only what was typed comes back into the form. And its limit ends a moment early: here five
minutes are five minutes.
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

KEPT_INPUT: Final = "step_up_input"
# What a person typed is kept in the session; a page-long form is not worth a row of any size.
MAX_INPUT_LENGTH: Final = 8_000
NEVER_KEPT: Final = frozenset({"csrfmiddlewaretoken", "password", "secret"})


def require_reauthentication(request: HttpRequest) -> HttpResponse | None:
    """Return where somebody must go before they do something sensitive; None lets them pass."""
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
    """Tell whether the last confirmation is at most five minutes old; signing in is none."""
    proved = [
        record["at"]
        for record in get_authentication_records(request, request.user)
        if record.get("reauthenticated")
    ]
    limit: int = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return bool(proved) and time.time() - proved[-1] <= limit


def lacks_second_factor(request: HttpRequest) -> bool:
    """Tell whether the operator's setting asks this person for a second factor they do not have."""
    user = request.user
    if not settings.SECOND_FACTOR_REQUIRED or not isinstance(user, User):
        return False
    return needs_second_factor(user, memberships_of(request)) and not is_mfa_enabled(
        user
    )


def send_to_enrol(request: HttpRequest) -> HttpResponse:
    """Send somebody to the page where second factors are enrolled, and say why."""
    messages.warning(
        request,
        "Your role needs a second factor here. Enrol a passkey or an authenticator app first.",
    )
    return HttpResponseRedirect(reverse("mfa_index"))


def kept_input(request: HttpRequest) -> QueryDict | None:
    """Return, once, what was typed into this page's form when the step-up was too old."""
    kept = request.session.get(KEPT_INPUT)
    if not kept or kept["path"] != request.path or request.method != "GET":
        return None
    del request.session[KEPT_INPUT]
    return QueryDict(kept["input"])


def _keep_input(request: HttpRequest) -> None:
    if request.method != "POST":
        return
    typed = request.POST.copy()
    for name in NEVER_KEPT & typed.keys():
        del typed[name]
    words = typed.urlencode()
    if len(words) <= MAX_INPUT_LENGTH:
        request.session[KEPT_INPUT] = {"path": request.path, "input": words}
