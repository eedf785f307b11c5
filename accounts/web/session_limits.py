"""Middleware: sessions end after a time without a request, and some time after the sign-in.

Requests that a page makes by itself do not count as use.
"""

import time
from collections.abc import Callable
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.authentication import memberships_of
from accounts.models import User
from accounts.security_policy import SessionLimits, session_limits_of

SIGNED_IN_AT: Final = "signed_in_at"
SEEN_AT: Final = "seen_at"
# Each request would write the session otherwise.
SEEN_WRITE_SECONDS: Final = 60
POLLING_PATHS: Final = ("/live/",)


def session_limits(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Sign out users whose session has reached a limit, and send them to sign-in."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return get_response(request)
        reason = _end_reason(request, session_limits_of(user, memberships_of(request)))
        return _end(request, reason) if reason else get_response(request)

    return middleware


def _end_reason(request: HttpRequest, limits: SessionLimits) -> str:
    """Return the sentence on the limit that the session has reached, else ""; store when it was used."""
    session, now = request.session, time.time()
    signed_in_at = session.get(SIGNED_IN_AT)
    # A time in the future is of a clock that was ahead; it must not lengthen the session.
    if signed_in_at is None or signed_in_at > now:
        session[SIGNED_IN_AT] = session[SEEN_AT] = now
        return ""
    seen_at = session.get(SEEN_AT, signed_in_at)
    for limit, passed, since in (
        (limits.idle, now - seen_at, "after its last use"),
        (limits.at_most, now - signed_in_at, "after you signed in"),
    ):
        if passed > limit.seconds:
            rule = f", as {limit.account} requires" if limit.account else ""
            return f"Your session ended {limit} {since}{rule}. Sign in again to go on."
    is_use = not request.path.endswith(POLLING_PATHS)
    if seen_at > now or (is_use and now - seen_at > SEEN_WRITE_SECONDS):
        session[SEEN_AT] = now
        UserSession.objects.filter(session_key=session.session_key).update(
            last_seen_at=timezone.now()
        )
    return ""


def _end(request: HttpRequest, reason: str) -> HttpResponse:
    get_adapter(request).logout(request)
    messages.info(request, reason)
    return redirect_to_login(request.get_full_path())
