"""`Idempotency-Key`: a write of the API with the same key runs once in 24 hours.

A key belongs to a token, a method and a path. A second call with the same body gets the first
response, with another body 422, and 409 while the first call runs. Responses of 5xx and 429 are
not kept, so that the call can be tried again. A view whose responses have secrets sets
`answers_with_secret`; keys have no effect there.
"""

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.authentication import FOUND_TOKEN, SAFE_METHODS, find_token
from accounts.commands import kept_responses
from accounts.commands.kept_responses import Call
from accounts.errors import Invalid, RefusalError
from accounts.models import ApiToken, KeptResponse
from portal.error_responses import error_of, error_response
from products.protocol import API_PATH

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
MAX_KEY_LENGTH: Final = 255
KEY_CHARACTERS: Final = "^[!-~]+$"
KEPT_HEADERS: Final = ("Content-Type", "Link", "Location")
BODY_SALT: Final = "portal.idempotency"  # a body may contain a password
View = Callable[..., HttpResponse]


class idempotency:  # noqa: N801 - the settings name it beside functions
    """Middleware that runs a view once per key."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Return the response to a write with a key; None lets the view respond as usual."""
        token = _token_of(request) if _has_effect(request, view) else None
        if token is None:
            return None
        try:
            call = _call(request, token)
            earlier = kept_responses.claim_or_find(call, now=timezone.now())
        except (RefusalError, RequestDataTooBig) as error:
            said = error_of(error)
            return error_response(request, said) if said else None
        return _replayed(earlier) if earlier else _run(call, request, view, kwargs)


def _token_of(request: HttpRequest) -> ApiToken | None:
    """Return the token of a request, and keep it for the view, which answers 401 without one."""
    token = find_token(request.headers.get("Fastly-Key", ""), timezone.now())
    setattr(request, FOUND_TOKEN, token)
    return token


def _has_effect(request: HttpRequest, view: View) -> bool:
    """Return whether this is a write of the API with a key, whose response can be kept."""
    return (
        HEADER in request.headers
        and request.method not in SAFE_METHODS
        and request.path.startswith(API_PATH)
        and not getattr(getattr(view, "view_class", None), "answers_with_secret", False)
    )


def _call(request: HttpRequest, token: ApiToken) -> Call:
    key = request.headers[HEADER]
    if len(key) > MAX_KEY_LENGTH or not re.fullmatch(KEY_CHARACTERS, key):
        raise Invalid(
            f"{HEADER} must have 1 to {MAX_KEY_LENGTH} printable ASCII characters, and no spaces."
        )
    parts = (token.pk, request.method or "", request.path, key)
    scope = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    query = request.META.get("QUERY_STRING", "").encode()
    body = salted_hmac(BODY_SALT, query + b"\0" + request.body, algorithm="sha256")
    request_id: str = getattr(request, "id")  # noqa: B009 - a middleware sets it
    return Call(scope, body.hexdigest(), request_id)


def _run(
    call: Call, request: HttpRequest, view: View, kwargs: dict[str, Any]
) -> HttpResponse:
    """Carry out the call and keep its response; forget it if the call can be tried again."""
    try:
        response = view(request, **kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response.render()
    except BaseException:
        kept_responses.release(call)
        raise
    if (
        response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    ):
        kept_responses.release(call)
    else:
        kept_responses.keep_response(
            call,
            status=response.status_code,
            headers={n: response[n] for n in KEPT_HEADERS if n in response},
            body=response.content.decode(),
        )
    return response


def _replayed(earlier: KeptResponse) -> HttpResponse:
    headers = {**earlier.headers, REPLAYED: "true"}
    response = HttpResponse(earlier.body, status=earlier.status, headers=headers)
    if "Content-Type" not in earlier.headers:  # 204 has none
        del response["Content-Type"]
    return response
