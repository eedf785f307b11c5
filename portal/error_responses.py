"""Error responses of the API in Fastly's format, and error pages for people.

The settings and `portal.urls` name these functions.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    MethodNotAllowed,
    NotAuthenticated,
    Throttled,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.errors import RefusalError
from portal.middleware import status_of
from portal.problem_details import is_own_path, problem_response
from products.protocol import API_PATH

INVALID_CREDENTIALS = "Provided credentials are missing or invalid"
MESSAGES = {
    HTTPStatus.NOT_FOUND: "Record not found",
    HTTPStatus.FORBIDDEN: "You are not authorized to perform this action",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.BAD_REQUEST: "Bad request",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request entity too large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal server error",
}
# Refusals that Fastly answers with another status or message, by code.
FASTLY_ERRORS: Mapping[str, tuple[HTTPStatus, str]] = {
    "version_locked": (HTTPStatus.UNPROCESSABLE_ENTITY, "Version locked"),
    "duplicate": (HTTPStatus.CONFLICT, "Duplicate record"),
    "service_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "not_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
}


def api_error_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response to an error; None re-raises unexpected errors.

    It is `{"msg", "detail"}`, and problem details below `/api/v1`.
    """
    response = classic_response(error, context)
    if response is not None and is_own_path(context["request"]):
        return problem_response(error, response)
    return response


def classic_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response to an error as `{"msg", "detail"}`; None for unexpected errors."""
    if isinstance(error, RefusalError):
        return refusal_response(error)
    if isinstance(error, RequestDataTooBig):
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return Response({"msg": MESSAGES[status]}, status=status)
    response = exception_handler(error, context)
    if response is not None:
        response.data = (
            framework_body(error)
            if isinstance(error, APIException)
            else {"msg": MESSAGES[HTTPStatus(response.status_code)]}
        )
    return response


def refusal_response(error: RefusalError) -> Response:
    """Return the response to one of Tollgate's refusals; its details are listed under `errors`."""
    status = status_of(error)
    status, message = FASTLY_ERRORS.get(error.code, (status, MESSAGES[status]))
    body: dict[str, Any] = {"msg": message, "detail": error.message}
    if error.details:
        body["errors"] = list(error.details)
    return Response(body, status=status)


def framework_body(error: APIException) -> dict[str, str]:
    """Return the body for an error that Django REST framework raises, in Fastly's words."""
    if isinstance(error, NotAuthenticated | AuthenticationFailed):
        return {"msg": INVALID_CREDENTIALS}
    if isinstance(error, Throttled):
        return {"msg": "Too many requests"}
    if isinstance(error, MethodNotAllowed):
        return {
            "msg": MESSAGES[HTTPStatus.METHOD_NOT_ALLOWED],
            "detail": str(error.detail),
        }
    if isinstance(error, ValidationError):
        return {
            "msg": MESSAGES[HTTPStatus.BAD_REQUEST],
            "detail": error_text(error.detail),
        }
    message = MESSAGES.get(HTTPStatus(error.status_code), str(error.detail))
    return {"msg": message, "detail": str(error.detail)}


def error_text(detail: Any) -> str:
    """Return all errors of all fields as one line."""
    if isinstance(detail, Mapping):
        return " ".join(
            error_text(each)
            if field == "non_field_errors"
            else f"{field}: {error_text(each)}"
            for field, each in detail.items()
        )
    if isinstance(detail, list):
        return " ".join(error_text(each) for each in detail)
    return str(detail)


def wants_json(request: HttpRequest) -> bool:
    """Return whether the request is for the API, which answers in JSON: its path says so."""
    return request.path.startswith(API_PATH)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to an unknown path: JSON below /api, a page elsewhere.

    A client whose base URL lacks `/api` sends its token to the pages' paths. The response says so.
    """
    if wants_json(request):
        return _json(HTTPStatus.NOT_FOUND)
    if "Fastly-Key" in request.headers:
        base = request.build_absolute_uri(API_PATH.rstrip("/"))
        return _json(HTTPStatus.NOT_FOUND, detail=f"The API's base URL is {base}.")
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to a malformed request: JSON for a program, a page for a person."""
    if wants_json(request):
        return _json(HTTPStatus.BAD_REQUEST)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an unexpected error: JSON for a program, a page for a person."""
    if wants_json(request):
        return _json(HTTPStatus.INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)


def _json(status: HTTPStatus, **details: str) -> HttpResponse:
    return JsonResponse({"msg": MESSAGES[status], **details}, status=status)
