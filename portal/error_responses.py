"""Error responses of the API, each in the form that the client reads, and error pages for people.

The settings and `portal.urls` name these functions. Fastly's clients know four forms, and show one
text of each. A view names its form in `error_form`: `products`, `json_api`, or else the classic
one. Paths below `/api/v1` answer with `problem`, as others do for
`Accept: application/problem+json`. Only that form has data. The other forms have no list `errors`:
go-fastly would show it instead of the reasons (fastly/errors.go of 17.2).
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Self

from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    TooManyFieldsSent,
)
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.utils import timezone
from django.views import defaults
from rest_framework.exceptions import (
    APIException,
    MethodNotAllowed,
    NotAuthenticated,
    Throttled,
    ValidationError,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from accounts.authentication import current_membership
from accounts.errors import Invalid, LimitReached, RefusalError
from accounts.rate_limit import RETRY_SECONDS
from accounts.readable import choices_in_words
from accounts.roles import ROLE_PERMISSIONS, Permission, Role
from portal.fastly_format import Renderer
from portal.middleware import UnreadableRequest, status_of
from portal.page_context import theme_of
from products.api.not_offered import reason_not_offered
from products.protocol import API_PATH
from products.services.kinds.logging import CODEC_AND_LEVEL, ROLE_AND_KEYS

Json = dict[str, Any]
RETRY_AFTER_SECONDS = 5
INVALID_CREDENTIALS = "Provided credentials are missing or invalid"
HOW_TO_AUTHENTICATE = {
    "Fastly-Key": "Send an API token in the header Fastly-Key.",
    "Bearer": "Send the edge's credential in the header Authorization.",
}
MESSAGES = {
    HTTPStatus.UNAUTHORIZED: INVALID_CREDENTIALS,
    HTTPStatus.NOT_FOUND: "Record not found",
    HTTPStatus.FORBIDDEN: "You are not authorized to perform this action",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.BAD_REQUEST: "Bad request",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.LENGTH_REQUIRED: "Length required",
    HTTPStatus.PRECONDITION_FAILED: "Precondition failed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request entity too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable entity",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal server error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service unavailable",
}
# Conflicts that Fastly answers with another status or message, by code.
FASTLY_CONFLICTS: Mapping[str, tuple[HTTPStatus, str]] = {
    "version_locked": (HTTPStatus.UNPROCESSABLE_ENTITY, "Version locked"),
    "duplicate": (HTTPStatus.CONFLICT, "Duplicate record"),
    "service_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "service_deleted": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "not_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "not_staged": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "deployment_refused": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "idempotency_key_reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "Unprocessable entity"),
}
# Sentences that Fastly sends as the message, without a detail.
FASTLY_MESSAGES = frozenset({CODEC_AND_LEVEL, ROLE_AND_KEYS})
# Titles of conflicts in the products form, by code; Terraform's provider looks for such texts
# when it destroys a service.
PRODUCT_TITLES: Mapping[str, str] = {
    "not_entitled": "not entitled to enable",
    "not_on_service": "no product on service",
    "not_on_account": "no product on account",
    "unknown_product": "product does not exist",
    "no_configuration": "no configuration for product",
    "cannot_disable": "product cannot be disabled",
}
OTHER_PRODUCT_TITLE = "product cannot be enabled"
# Fastly answers these in the classic form everywhere.
ALWAYS_CLASSIC = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
# Why Django refuses a request; its own texts name settings.
REASONS: Mapping[type[Exception], str] = {
    DisallowedHost: "This is not the portal's host name.",
    TooManyFieldsSent: "The request has too many fields.",
}
OWN_PATH = f"{API_PATH}v1/"
# Paths of Fastly's real-time API, which lie below the same prefix.
FASTLY_PATHS = tuple(f"{OWN_PATH}{name}/" for name in ("channel", "domains", "origins"))
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


class BodyTooLarge(RequestDataTooBig):
    """A body above a limit in bytes, and how large it may be, in words."""

    def __init__(self, limit: int) -> None:
        self.largest = f"{limit // 1024} KiB"
        self.text = f"The body may have at most {self.largest}."
        super().__init__(self.text)


@dataclass(frozen=True, slots=True)
class ApiError:
    """What an error response says, in whatever form; `data` is only in the form `problem`."""

    status: HTTPStatus
    message: str
    detail: str = ""
    code: str = ""
    data: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, status: HTTPStatus, detail: str = "", code: str = "") -> Self:
        """Return an error with the usual message of its status."""
        return cls(status, MESSAGES[status], detail, code or status.name.lower())


def classic(error: ApiError) -> Json:
    """Return the form of Fastly's older paths."""
    return {"msg": error.message} | ({"detail": error.detail} if error.detail else {})


def products(error: ApiError) -> Json:
    """Return the form of Fastly's product API."""
    return {
        "type": "",
        "title": error.message,
        "status": error.status.value,
        "errors": None,
        "detail": error.detail,
    }


def json_api(error: ApiError) -> Json:
    """Return the form of JSON:API documents."""
    said = {
        "status": str(error.status.value),
        "code": error.code,
        "title": error.message,
        "detail": error.detail,
    }
    return {"errors": [{name: text for name, text in said.items() if text}]}


def problem(error: ApiError) -> Json:
    """Return the form of RFC 9457, with the data."""
    said = {
        "type": "about:blank",
        "title": error.message,
        "status": error.status.value,
        "detail": error.detail,
        "code": error.code,
    }
    return said | dict(error.data)


FORMS: Mapping[str, tuple[Callable[[ApiError], Json], str]] = {
    "classic": (classic, JSON),
    "products": (products, JSON),
    "json_api": (json_api, "application/vnd.api+json"),
    "problem": (problem, PROBLEM_JSON),
}


def api_error_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response to an error; None re-raises unexpected errors."""
    # The framework's response has headers such as Retry-After.
    response = exception_handler(error, context)
    said = error_of(error)
    if said is None and response is None:
        return None
    response = response or Response()
    said = said or ApiError.of(HTTPStatus(response.status_code))
    if isinstance(error, MethodNotAllowed):
        said = replace(said, detail=methods_in_words(context["view"]))
    if isinstance(error, NotAuthenticated):
        said = replace(said, detail=HOW_TO_AUTHENTICATE.get(scheme_of(response), ""))
    form = form_for(context["request"], said, context["view"])
    said = in_product_terms(said) if form == "products" else said
    shape, response.content_type = FORMS[form]
    response.data, response.status_code = shape(said), said.status
    if isinstance(error, LimitReached):
        response["Retry-After"] = str(error.retry_after_seconds)
    return response


def scheme_of(response: Response) -> str:
    """Return the scheme of authentication that a response names, "" for none."""
    scheme: str = response.get("WWW-Authenticate", "")
    return scheme


def methods_in_words(view: APIView) -> str:
    """Say which methods a path has. HEAD goes without saying; OPTIONS answers 405 everywhere."""
    names = [name for name in view.allowed_methods if name not in {"HEAD", "OPTIONS"}]
    return f"Use {choices_in_words(names)}."


def error_of(error: Exception) -> ApiError | None:
    """Return what the response to an error says; None for unexpected errors."""
    if isinstance(error, RefusalError):
        return refusal(error)
    if isinstance(error, RequestDataTooBig):
        text = error.text if isinstance(error, BodyTooLarge) else ""
        return ApiError.of(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
    if isinstance(error, APIException):
        return framework_error(error)
    return None


def refusal(error: RefusalError) -> ApiError:
    """Return what the response to one of Tollgate's refusals says, with every reason."""
    status = status_of(error)
    message = MESSAGES[status]
    if status is HTTPStatus.CONFLICT:
        status, message = FASTLY_CONFLICTS.get(error.code, (status, message))
    data = dict(error.data)
    if isinstance(error, Invalid) and error.problems:
        data["fields"] = fields_of(error.problems)
    if error.details:
        data["details"] = list(error.details)
    if error.text in FASTLY_MESSAGES:
        return ApiError(status, error.text, "", error.code, data)
    return ApiError(status, message, error.text, error.code, data)


def framework_error(error: APIException) -> ApiError:
    """Return what the response to an error of Django REST framework says, in Fastly's words."""
    status = HTTPStatus(error.status_code)
    message = MESSAGES.get(status, status.phrase)
    if isinstance(error, NotAuthenticated | Throttled):
        return ApiError(status, message, code=error.default_code)
    if isinstance(error, ValidationError) and isinstance(error.detail, Mapping):
        texts = {name: error_text(each) for name, each in error.detail.items()}
        data = {"fields": fields_of(texts)}
        return ApiError(status, message, error_text(error.detail), "invalid", data)
    return ApiError(status, message, error_text(error.detail), error.default_code)


def fields_of(problems: Mapping[str, str]) -> list[Json]:
    """Return what is wrong with each field, for the form `problem`."""
    return [{"field": name, "message": text} for name, text in problems.items()]


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


def form_for(
    request: HttpRequest | Request, said: ApiError, view: object = None
) -> str:
    """Return the name of the form in which a client gets an error of a view."""
    accept = request.headers.get("Accept", "").lower()
    if PROBLEM_JSON in accept or is_own_path(request.path):
        return "problem"
    form: str = getattr(view, "error_form", "classic")
    return "classic" if said.status in ALWAYS_CLASSIC else form


def is_own_path(path: str) -> bool:
    """Return whether a path is in Tollgate's own part of the API."""
    return path.startswith(OWN_PATH) and not path.startswith(FASTLY_PATHS)


def in_product_terms(said: ApiError) -> ApiError:
    """Return a conflict as Fastly's product API answers it: with 400 and a title of its own."""
    if said.status is not HTTPStatus.CONFLICT:
        return said
    title = PRODUCT_TITLES.get(said.code, OTHER_PRODUCT_TITLE)
    return replace(said, status=HTTPStatus.BAD_REQUEST, message=title)


def wants_json(request: HttpRequest) -> bool:
    """Return whether the request is for the API, which answers in JSON: its path says so."""
    return request.path.startswith(API_PATH)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to an unknown path: JSON below /api, a page elsewhere.

    A client whose base URL lacks `/api` sends its token to the pages' paths. The response says so.
    """
    if wants_json(request):
        return _json(request, HTTPStatus.NOT_FOUND, missing_path(request))
    if "Fastly-Key" in request.headers:
        base = request.build_absolute_uri(API_PATH.rstrip("/"))
        return _json(request, HTTPStatus.NOT_FOUND, f"The API's base URL is {base}.")
    return defaults.page_not_found(request, exception)


def missing_path(request: HttpRequest) -> str:
    """Return whether a path below /api is one of Fastly's that Tollgate does not offer."""
    path = request.path.removeprefix(API_PATH)
    reason = reason_not_offered(path)
    if not reason:
        return "There is no such path."
    return f"Tollgate does not offer {request.method} /{path}. {reason}"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond to a malformed request: JSON for a program, a page for a person."""
    if wants_json(request):
        unreadable = isinstance(exception, UnreadableRequest)
        detail = str(exception) if unreadable else REASONS.get(type(exception), "")
        return _json(request, HTTPStatus.BAD_REQUEST, detail)
    return defaults.bad_request(request, exception)


def body_too_large(request: HttpRequest, limit: int) -> HttpResponse:
    """Respond to a body above its limit in bytes: JSON for a program, a page for a person."""
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    error = BodyTooLarge(limit)
    if wants_json(request):
        return _json(request, status, error.text)
    return render(request, "413.html", {"largest": error.largest}, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an unexpected error: JSON for a program, a page for a person.

    A database that does not answer, is locked or is full is a 503: the client may try again.
    """
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _unavailable(request)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if wants_json(request):
        return _json(request, status)
    return _bare_page(request, status, may_read_activity=_may_read_activity(request))


def too_many_requests(request: HttpRequest, template: str = "429.html") -> HttpResponse:
    """Respond to a person who has reached a limit, and say when to try again."""
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = render(request, template, {"seconds": RETRY_SECONDS}, status=status)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _unavailable(request: HttpRequest) -> HttpResponse:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if wants_json(request):
        response = _json(request, status, "The database does not answer. Try again.")
    else:
        response = _bare_page(request, status, seconds=RETRY_AFTER_SECONDS)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _bare_page(
    request: HttpRequest, status: HTTPStatus, **values: object
) -> HttpResponse:
    """Render an error page without the usual context, which would need the database."""
    context = values | {
        "request_id": getattr(request, "id", ""),
        "now": timezone.now(),
        "theme": theme_of(request),
        "frame": "_parts/bare.html",
    }
    page = get_template(f"{status.value}.html").render(context)
    return HttpResponse(page, status=status)


def _may_read_activity(request: HttpRequest) -> bool:
    """Return whether the user can open Activity; False if the error prevents an answer."""
    try:
        here = current_membership(request)
    except (AttributeError, DatabaseError):
        return False
    return (
        here is not None and Permission.AUDIT_READ in ROLE_PERMISSIONS[Role(here.role)]
    )


def error_response(
    request: HttpRequest, said: ApiError, view: object = None
) -> HttpResponse:
    """Return an error that no view has answered, written as the views' renderer writes it."""
    shape, content_type = FORMS[form_for(request, said, view)]
    return HttpResponse(
        Renderer().render(shape(said)), status=said.status, content_type=content_type
    )


def _json(request: HttpRequest, status: HTTPStatus, detail: str = "") -> HttpResponse:
    return error_response(request, ApiError.of(status, detail))
