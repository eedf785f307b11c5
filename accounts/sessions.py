"""Sessions in the database, each under a hash of what the browser's cookie holds.

So what is read from the database, or from a backup, signs no one in. The secret is random and has
165 bits, so a hash without a key is enough.
"""

import hashlib
from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.prepared import PreparedQuery

_PREFIX: Final = "k-"  # of keys; no secret has a hyphen
_DIGITS: Final = 38
_NOT_EXPIRED: Final = PreparedQuery(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now)
)


class SessionStore(DatabaseStore):
    """A session; `session_key` is the key of its row, and `secret` is for the cookie."""

    def __init__(self, session_key: str | None = None) -> None:
        """Open a session by its secret or, within the portal, by its key."""
        is_secret = session_key is not None and not session_key.startswith(_PREFIX)
        self.secret = session_key if is_secret else None
        super().__init__(
            _key_of(session_key) if session_key and is_secret else session_key
        )

    def _get_session_from_db(self) -> Session | None:
        """Return the row unless it has expired, as Django does; every page reads it."""
        found = _NOT_EXPIRED.first(self.session_key or "", timezone.now())
        if found is None:
            self._session_key = None
        return found

    def _get_new_session_key(self) -> str:
        secret: str = super()._get_new_session_key()  # type: ignore[misc]
        self.secret = secret
        return _key_of(secret)


class SecretSessions(SessionMiddleware):
    """Reads and writes the cookie, which holds the secret."""

    SessionStore: type[SessionStore]

    def process_request(self, request: HttpRequest) -> None:
        """Open the session of the cookie; a key of a row opens none."""
        secret = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        is_key = secret is not None and secret.startswith(_PREFIX)
        request.session = self.SessionStore(None if is_key else secret)

    def process_response(self, request: HttpRequest, response: Any) -> HttpResponse:
        """Set the cookie as Django does, with the secret in place of the key."""
        answer = super().process_response(request, response)
        cookie = answer.cookies.get(settings.SESSION_COOKIE_NAME)
        secret = getattr(request.session, "secret", None)
        if cookie is not None and cookie.value and secret:
            answer.cookies[settings.SESSION_COOKIE_NAME] = secret
        return answer


def _key_of(secret: str) -> str:
    return _PREFIX + hashlib.sha256(secret.encode()).hexdigest()[:_DIGITS]
