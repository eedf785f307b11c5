"""Middleware: sessions end after a time without a request, and some time after the sign-in.

Requests that a page makes by itself do not count as use.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.authentication import memberships_of, needs_second_factor
from accounts.models import User

SIGNED_IN_AT: Final = "signed_in_at"
SEEN_AT: Final = "seen_at"
# Each request would write the session otherwise.
SEEN_WRITE_SECONDS: Final = 60
POLLING_PATHS: Final = ("/live/",)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts, in seconds: without a request, and at most."""

    idle: int
    at_most: int


def limits_of(request: HttpRequest, user: User) -> SessionLimits:
    """Return the limits of the user's strictest role; staff and two roles have strict ones."""
    if needs_second_factor(user, memberships_of(request)):
        return SessionLimits(
            settings.SESSION_IDLE_SECONDS_STRICT, settings.SESSION_MAX_SECONDS_STRICT
        )
    return SessionLimits(settings.SESSION_IDLE_SECONDS, settings.SESSION_MAX_SECONDS)


def session_limits(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Sign out users whose session has reached a limit, and send them to sign-in."""

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return get_response(request)
        if _is_over(request, limits_of(request, user)):
            return _end(request)
        return get_response(request)

    return middleware


def _is_over(request: HttpRequest, limits: SessionLimits) -> bool:
    """Return whether the session has reached a limit; store when it was used."""
    session, now = request.session, time.time()
    signed_in_at = session.get(SIGNED_IN_AT)
    # A time in the future is of a clock that was ahead; it must not lengthen the session.
    if signed_in_at is None or signed_in_at > now:
        session[SIGNED_IN_AT] = session[SEEN_AT] = now
        return False
    seen_at = session.get(SEEN_AT, signed_in_at)
    if now - seen_at > limits.idle or now - signed_in_at > limits.at_most:
        return True
    is_use = not request.path.endswith(POLLING_PATHS)
    if seen_at > now or (is_use and now - seen_at > SEEN_WRITE_SECONDS):
        session[SEEN_AT] = now
        UserSession.objects.filter(session_key=session.session_key).update(
            last_seen_at=timezone.now()
        )
    return False


def _end(request: HttpRequest) -> HttpResponse:
    get_adapter(request).logout(request)
    messages.info(request, "Your session has ended. Sign in again.")
    return redirect_to_login(request.get_full_path())
