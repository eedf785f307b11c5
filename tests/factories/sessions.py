"""Sessions of tests' clients, with the cookie that a browser gets: it holds no key of a row."""

from django.conf import settings
from django.http import HttpRequest
from django.test import Client

_set_login_cookies = Client._set_login_cookies


def _set_cookie_with_secret(client: Client, request: HttpRequest) -> None:
    _set_login_cookies(client, request)
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.secret


def use_secret_cookies() -> None:
    """Make `Client.force_login` set the session's secret as its cookie."""
    Client._set_login_cookies = _set_cookie_with_secret


def confirm(
    client: Client, user_id: str, at: float, *, method: str = "password"
) -> None:
    """Store in a session that its owner re-authenticated at a time."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": method, "at": at, "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = user_id
    session.save()
