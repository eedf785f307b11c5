"""Sessions of tests' clients, with the cookie that a browser gets: it holds no key of a row."""

import time

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.test import Client

from accounts.models import User
from accounts.sessions import SessionStore
from accounts.web.session_limits import SEEN_AT, SIGNED_IN_AT

_set_login_cookies = Client._set_login_cookies


def _set_cookie_with_secret(client: Client, request: HttpRequest) -> None:
    _set_login_cookies(client, request)
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.secret


def use_secret_cookies() -> None:
    """Make `Client.force_login` set the session's secret as its cookie."""
    Client._set_login_cookies = _set_cookie_with_secret


def client_with_session(user: User, confirmed_at: float | None) -> Client:
    """Return a client with a session of a user, who re-authenticated at a time unless it is None.

    Write its row once. `Client.force_login` takes several times as long, and then again to confirm.
    """
    session = SessionStore()
    session[SESSION_KEY] = user.pk
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    # As of a page just opened, so that the next one does not write it.
    session[SIGNED_IN_AT] = session[SEEN_AT] = time.time()
    if confirmed_at is not None:
        session.update(_confirmation(user.pk, confirmed_at, "password"))
    session.save()
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.secret)
    return client


def confirm(
    client: Client, user_id: str, at: float, *, method: str = "password"
) -> None:
    """Store in a session that its owner re-authenticated at a time."""
    session = client.session
    session.update(_confirmation(user_id, at, method))
    session.save()


def _confirmation(user_id: str, at: float, method: str) -> dict[str, object]:
    return {
        "account_authentication_methods": [
            {"method": method, "at": at, "reauthenticated": True}
        ],
        "account_authentication_methods_user": user_id,
    }
