"""Secrets that a page shows once: kept in the session, encrypted, from the form to the next page."""

from django.http import HttpRequest

from accounts.encryption import decrypt, encrypt

_PREFIX = "shown_once:"


def keep_secret(request: HttpRequest, name: str, secret: str) -> None:
    """Keep a secret until `take_secret` is called with the same name, in this session."""
    request.session[_PREFIX + name] = encrypt(secret)


def take_secret(request: HttpRequest, name: str) -> str:
    """Return a kept secret and forget it; "" if there is none, as on a reload."""
    kept = request.session.pop(_PREFIX + name, "")
    return decrypt(kept) if kept else ""
