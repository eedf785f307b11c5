"""Refusals of Tollgate's own part of the API, `/api/v1`, as problem details (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import RefusalError
from products.protocol import API_PATH

MEDIA_TYPE = "application/problem+json"
OWN_PATH = f"{API_PATH}v1/"
# Paths of Fastly's real-time API, which lie below the same prefix.
FASTLY_PATHS = tuple(f"{OWN_PATH}{name}/" for name in ("channel", "domains", "origins"))


def is_own_path(request: Request | HttpRequest) -> bool:
    """Return whether a request is for Tollgate's own part of the API."""
    return request.path.startswith(OWN_PATH) and not request.path.startswith(
        FASTLY_PATHS
    )


def problem_response(error: Exception, classic: Response) -> Response:
    """Return the response to an error as problem details, with the status of the classic one."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": classic.data["msg"],
        "status": classic.status_code,
        "detail": classic.data.get("detail", ""),
        "code": _code_of(error),
    }
    if fields := _fields_of(error):
        body["fields"] = fields
    if isinstance(error, RefusalError) and error.details:
        body["details"] = list(error.details)
    response = Response(body, classic.status_code, content_type=MEDIA_TYPE)
    # Such as WWW-Authenticate and Retry-After.
    for name, value in classic.items():
        response[name] = value
    return response


def _code_of(error: Exception) -> str:
    if isinstance(error, RefusalError):
        return error.code
    return str(getattr(error, "default_code", "error"))


def _fields_of(error: Exception) -> list[dict[str, str]]:
    """Return what is wrong with each field, if the error is about fields."""
    if isinstance(error, RefusalError):
        named = [(error.field, error.message)] if error.field else []
    elif isinstance(error, ValidationError):
        named = _messages(error.detail)
    else:
        named = []
    return [{"field": field, "message": message} for field, message in named]


def _messages(detail: Any, field: str = "") -> list[tuple[str, str]]:
    """Return the messages of a serializer with the field that each is about."""
    if isinstance(detail, Mapping):
        return [
            pair
            for name, each in detail.items()
            for pair in _messages(each, f"{field}.{name}" if field else str(name))
        ]
    if isinstance(detail, list):
        return [pair for each in detail for pair in _messages(each, field)]
    return [(field, str(detail))]
