"""The tongue of Fastly's clients for every API view; wired by the settings, imported by no view.

The rules of bodies, errors and headers that hold everywhere: what the clients send and read was
recorded with Fastly's CLI 16.1, go-fastly 17.2 and fastly-py 15.0.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.views import defaults
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    MethodNotAllowed,
    NotAuthenticated,
    ParseError,
    Throttled,
    ValidationError,
)
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import exception_handler

from accounts.errors import RefusalError
from portal.middleware import status_of

FORM = "application/x-www-form-urlencoded"
CREDENTIALS = "Provided credentials are missing or invalid"
MESSAGES = {
    HTTPStatus.NOT_FOUND: "Record not found",
    HTTPStatus.FORBIDDEN: "You are not authorized to perform this action",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.BAD_REQUEST: "Bad request",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request entity too large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal server error",
}
# Refusals for which Fastly has an answer of its own, by their code.
BY_CODE: Mapping[str, tuple[HTTPStatus, str]] = {
    "version_locked": (HTTPStatus.UNPROCESSABLE_ENTITY, "Version locked"),
    "duplicate": (HTTPStatus.CONFLICT, "Duplicate record"),
    "service_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
    "not_active": (HTTPStatus.BAD_REQUEST, "Bad request"),
}


class Encoder(JSONEncoder):
    """Times as Fastly writes them: UTC, whole seconds, Z."""

    def default(self, obj: Any) -> Any:
        """Return a plain value for one that JSON does not have."""
        if isinstance(obj, datetime):
            return obj.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return super().default(obj)


class Renderer(JSONRenderer):
    """JSON, whatever the client says it accepts."""

    encoder_class = Encoder


class Negotiation(BaseContentNegotiation):
    """One renderer and one parser for all: the clients send odd or no types, and none is refused."""

    def select_parser(self, request: Request, parsers: Any) -> BaseParser:
        """Return the one parser, which looks at the type itself."""
        parser: BaseParser = parsers[0]
        return parser

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer; neither Accept nor `?format=` chooses another."""
        return renderers[0], renderers[0].media_type


class BodyParser(BaseParser):
    """Forms, and JSON under any other name, as one mapping; an empty body is an empty mapping."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> dict[str, Any]:
        """Return the fields of the body; raise ParseError for what is neither form nor object."""
        raw = stream.body if isinstance(stream, HttpRequest) else stream.read()
        if not raw.strip():
            return {}
        if (media_type or "").split(";")[0].strip().lower() == FORM:
            return form_fields(raw)
        return json_fields(raw)


def form_fields(raw: bytes) -> dict[str, Any]:
    """Read a form: `services[]=` makes a list called `services`, of other names the last one counts."""
    try:
        sent = QueryDict(raw.decode())
    except UnicodeDecodeError as error:
        raise ParseError("The form is not UTF-8.") from error
    fields = {
        name.removesuffix("[]"): sent.getlist(name)
        if name.endswith("[]")
        else sent[name]
        for name in sent
    }
    _refuse_unkeepable(fields)
    return fields


def json_fields(raw: bytes) -> dict[str, Any]:
    """Read a JSON object strictly: UTF-8, no NaN, no other top than an object."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
        _refuse_unkeepable(value)
    except (ValueError, RecursionError) as error:
        raise ParseError("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise ParseError("The body is not a JSON object.")
    return value


def _refuse_unkeepable(value: Any) -> None:
    """Refuse texts that no database keeps: with a NUL, or half a character."""
    for text in _texts_in(value):
        if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
            raise ParseError("The body holds a NUL or half a character.")


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)
    elif isinstance(value, dict):
        yield from value
        yield from _texts_in(list(value.values()))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal as `{"msg", "detail"}` with its status; None lets other errors rise."""
    if isinstance(error, RefusalError):
        return refusal_answer(error)
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


def refusal_answer(error: RefusalError) -> Response:
    """Answer one of our own refusals; its details, where it has any, under `errors`."""
    status = status_of(error)
    status, message = BY_CODE.get(error.code, (status, MESSAGES[status]))
    body: dict[str, Any] = {"msg": message, "detail": error.message}
    if error.details:
        body["errors"] = list(error.details)
    return Response(body, status=status)


def framework_body(error: APIException) -> dict[str, str]:
    """Say one of the framework's own refusals in Fastly's words."""
    if isinstance(error, NotAuthenticated | AuthenticationFailed):
        return {"msg": CREDENTIALS}
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
            "detail": in_words(error.detail),
        }
    message = MESSAGES.get(HTTPStatus(error.status_code), str(error.detail))
    return {"msg": message, "detail": str(error.detail)}


def in_words(detail: Any) -> str:
    """Say what is wrong with which field, all of it, in one line."""
    if isinstance(detail, Mapping):
        return " ".join(
            in_words(each)
            if field == "non_field_errors"
            else f"{field}: {in_words(each)}"
            for field, each in detail.items()
        )
    if isinstance(detail, list):
        return " ".join(in_words(each) for each in detail)
    return str(detail)


def speaks_api(request: HttpRequest) -> bool:
    """Tell whether a program asks: it carries a key, or asks under our own API's path."""
    return "Fastly-Key" in request.headers or request.path.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path: in JSON to a program, as a page to a person."""
    if speaks_api(request):
        return _json(HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a malformed request: in JSON to a program, as a page to a person."""
    if speaks_api(request):
        return _json(HTTPStatus.BAD_REQUEST)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for a fault of ours: in JSON to a program, as a page to a person."""
    if speaks_api(request):
        return _json(HTTPStatus.INTERNAL_SERVER_ERROR)
    return defaults.server_error(request)


def _json(status: HTTPStatus) -> HttpResponse:
    return JsonResponse({"msg": MESSAGES[status]}, status=status)
