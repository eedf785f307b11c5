"""The tongue of Fastly's clients for every API view; wired by the settings, imported by no view.

How bodies are read and written; how refusals are said is in `portal.refusals`. What the clients
send and read was recorded with Fastly's CLI 16.1, go-fastly 17.2 and fastly-py 15.0.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

FORM = "application/x-www-form-urlencoded"


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
    except TooManyFieldsSent as error:
        raise ParseError("The form has too many fields.") from error
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
