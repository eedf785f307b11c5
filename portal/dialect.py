"""The tongue of Fastly's clients for every API view; wired by the settings, imported by no view."""

from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import APIException
from rest_framework.parsers import FormParser as StockFormParser
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.errors import RefusalError
from portal.middleware import status_of

MESSAGES = {
    HTTPStatus.NOT_FOUND: "Record not found",
    HTTPStatus.FORBIDDEN: "You are not authorized to perform this action",
    HTTPStatus.CONFLICT: "Duplicate record",
    HTTPStatus.BAD_REQUEST: "Bad request",
}


class Renderer(JSONRenderer):
    """JSON, whatever the client says it accepts: its clients send odd Accept headers."""

    media_type = "*/*"


class FormParser(StockFormParser):
    """Form bodies."""


class AnyParser(JSONParser):
    """JSON under any name, and empty bodies under any type."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the body's value; an empty body is an empty object."""
        if not stream.body:
            return {}
        return super().parse(stream, media_type, parser_context)


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal as `{"msg", "detail"}` with its status."""
    if isinstance(error, RefusalError):
        status = status_of(error)
        body = {"msg": MESSAGES[status], "detail": error.message}
        if error.details:
            body["errors"] = list(error.details)
        return Response(body, status=status)
    response = exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        response.data = {"msg": str(error.detail)}
    return response
