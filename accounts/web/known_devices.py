"""Known devices: browsers that have signed a user in, which a signed cookie remembers.

Each has its own count of failed sign-ins per user. So strangers who try passwords of a user lock
out other strangers, but not the user.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.commands.users import user_with_email
from accounts.ids import new_id
from accounts.models import User
from accounts.rate_limit import TOKEN_OF_ATTEMPT

MAX_AGE_SECONDS: Final = 180 * 24 * 3600
MAX_USERS: Final = 10  # per device
_SALT: Final = "known-device"


@dataclass(frozen=True, slots=True)
class Device:
    """A browser, and the users who have signed in with it, the latest last."""

    id: str
    user_ids: tuple[str, ...]


def attempts_key(request: HttpRequest, email: str) -> str:
    """Return what failed attempts to sign in with an email address are counted by.

    That is the session of a signed-in user, the token of an API call, or the known device, if
    these are of the user with the address. Otherwise it is the address alone.
    """
    email = email.strip().lower()
    owner = user_with_email(email)
    if owner is None:
        return email
    if isinstance(request.user, User) and request.user.pk == owner.pk:
        return f"{email} session {request.session.session_key}"
    token_id, user_id = getattr(request, TOKEN_OF_ATTEMPT, ("", ""))
    if user_id == owner.pk:
        return f"{email} token {token_id}"
    device = _device_of(request)
    if device is not None and owner.pk in device.user_ids:
        return f"{email} device {device.id}"
    return email


def remember_device(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Set the cookie by which the browser is known after a complete sign-in of the user."""
    device = _device_of(request) or Device(new_id(), ())
    others = [user_id for user_id in device.user_ids if user_id != user.pk]
    user_ids = [*others, user.pk][-MAX_USERS:]
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps({"id": device.id, "users": user_ids}, salt=_SALT),
        max_age=MAX_AGE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _device_of(request: HttpRequest) -> Device | None:
    signed = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    try:
        value: dict[str, Any] = signing.loads(
            signed, salt=_SALT, max_age=MAX_AGE_SECONDS
        )
    except signing.BadSignature:
        return None
    return Device(value["id"], tuple(value["users"]))
