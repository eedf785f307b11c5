"""`POST /sudo`: re-authentication by password and code, valid for five minutes.

It is as strong as signing in: the same rate limits apply, the audit trail records failures, and a
user with a second factor sends a code in `Fastly-OTP`. `POST /tokens` needs it and the password
again. It does not need the code again, because a code works only once.
"""

import base64
import binascii
from datetime import datetime
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest, active_memberships
from accounts.errors import Forbidden
from accounts.models import User
from accounts.one_time_codes import use_code
from accounts.rate_limit import TOKEN_OF_ATTEMPT
from accounts.security_policy import needs_second_factor
from accounts.sudo import start_sudo

CODES: Final = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


class CodeNeeded(Forbidden):
    """The user has, or must have, a second factor, and sent no valid code."""

    code = "code_needed"


class CredentialsRefused(AuthenticationFailed):
    """A password is missing or wrong, or not that of the token's owner."""

    default_detail = "Check username and password: they are missing or wrong, or not those of the token's owner."


class Sudo(APIView):
    """`POST /sudo`; a token is optional."""

    answers_with_secret = True
    permission_classes = (AllowAny,)

    def post(self, request: TokenRequest) -> Response:
        """Return the time at which the authentication expires."""
        user = authenticate_by_password(request)
        require_code(request, user)
        expires_at = start_sudo(
            user.pk, token_id=token_id_of(request), now=timezone.now()
        )
        return Response({"expiry_time": _offset(expires_at)})


def token_id_of(request: TokenRequest) -> str:
    """Return the id of the request's token; "" for a request without one."""
    actor: Any = request.auth
    return "" if actor is None else str(actor.id)


def authenticate_by_password(request: TokenRequest) -> User:
    """Return the user whose email address and password the request contains.

    Raises CredentialsRefused for a wrong password or another user's token, and Throttled after
    too many attempts. Failures are noted in the audit trail of the user's account.
    """
    name, password = credentials_of(request)
    http = request._request  # noqa: SLF001 - allauth takes Django's requests
    http.user = AnonymousUser()  # the password may be another user's than the token
    # Without a token there is no actor, although the type does not allow for it.
    actor: Any = request.auth
    if actor is not None:
        setattr(http, TOKEN_OF_ATTEMPT, (actor.id, actor.user_id))
    adapter = get_adapter(http)
    try:
        user = adapter.authenticate(http, email=name, password=password)
    except ValidationError as error:
        raise Throttled from error
    if not isinstance(user, User) or not user.is_active:
        raise CredentialsRefused
    if actor is not None and actor.user_id != user.pk:
        raise CredentialsRefused
    return user


def credentials_of(request: TokenRequest) -> tuple[str, str]:
    """Return email and password from the body, or from HTTP Basic as fastly-py sends them."""
    name, password = _sent_credentials(request)
    actor: Any = request.auth  # None without a token
    if not name and actor is not None:
        name = actor.email
    if not isinstance(name, str) or not isinstance(password, str) or not password:
        raise CredentialsRefused
    email, _ = split_username(name)
    return email.lower(), password


def account_id_in(request: TokenRequest) -> str:
    """Return the id of the account that the request chooses, by field or user name; "" for none."""
    chosen = request.data.get("customer_id")
    if chosen:
        return str(chosen)
    name, _ = _sent_credentials(request)
    return split_username(name)[1] if isinstance(name, str) else ""


def split_username(name: str) -> tuple[str, str]:
    """Return the email and the account id of `EMAIL/ACCOUNT_ID`; the id can be left out.

    So people who belong to several accounts choose one in clients that have no field for it.
    """
    local, at, rest = name.strip().rpartition("@")
    domain, _, account_id = rest.partition("/")
    return f"{local}{at}{domain}", account_id


def _sent_credentials(request: TokenRequest) -> tuple[Any, Any]:
    sent = request.data
    name, password = sent.get("username"), sent.get("password")
    if not name and not password:
        return _basic(request.headers.get("Authorization", ""))
    return name, password


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = (
            base64.b64decode(encoded, validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return ("", "") if "\0" in name + password else (name, password)


def require_code(request: TokenRequest, user: User) -> None:
    """Require a code of users with a second factor, as sign-in does; count wrong codes.

    Raises CodeNeeded and Throttled.
    """
    if not is_mfa_enabled(user):
        if needs_second_factor(user, list(active_memberships(user.pk))):
            raise CodeNeeded("Add a second factor in the portal first.")
        return
    http, key = request._request, f"mfa-auth-user-{user.pk}"  # noqa: SLF001
    if not ratelimit.consume(http, action="login_failed", key=key):
        raise Throttled
    code = request.headers.get("Fastly-OTP", "")
    factors = Authenticator.objects.filter(user=user, type__in=CODES)
    is_valid = code and any(factor.wrap().validate_code(code) for factor in factors)
    if not is_valid or not use_code(user, code):
        get_adapter(http).authentication_failed(http, email=user.email)
        raise CodeNeeded(
            "Send a code from your second factor in the Fastly-OTP header."
        )
    ratelimit.clear(http, action="login_failed", key=key)


def _offset(moment: datetime) -> str:
    """Return a time with its UTC offset, a form that Fastly uses only here."""
    return moment.replace(microsecond=0).isoformat()
