"""Request and response bodies in Fastly's format, for every API view.

The settings name these classes, so no view imports them. Errors are in `portal.error_responses`.
The format was recorded with Fastly's CLI 16.1, go-fastly 17.2 and fastly-py 15.0.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MAX_JSON_DEPTH = 32
JSON_AS_FORM = (
    "The body is JSON, but is sent as a form. Send Content-Type: application/json."
)
NESTED_TOO_DEEP = f"The body is nested deeper than {MAX_JSON_DEPTH} levels."
# Every value of a list or an object costs more than its bytes. A megabyte of nothing but empty
# lists would take a fifth of a second.
JSON_SEPARATORS = (b"[", b"{", b",")
MAX_JSON_SEPARATORS = 50_000
MAX_NAME_SHOWN = 100
# Null bytes and unpaired surrogates.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Encoder(JSONEncoder):
    """Writes times as Fastly does: UTC, whole seconds, `Z`."""

    def default(self, obj: Any) -> Any:
        """Return a JSON value for an object that JSON has no type for."""
        if isinstance(obj, datetime):
            return obj.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return super().default(obj)


class Renderer(JSONRenderer):
    """Renders JSON, whatever the Accept header says."""

    encoder_class = Encoder


class Negotiation(BaseContentNegotiation):
    """Always picks the one renderer and the one parser.

    Fastly's clients send unusual media types or none, and none is refused.
    """

    def select_parser(self, request: Request, parsers: Any) -> BaseParser:
        """Return the only parser; it reads the media type itself."""
        parser: BaseParser = parsers[0]
        return parser

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer; Accept and `?format=` have no effect."""
        return renderers[0], renderers[0].media_type


class BodyParser(BaseParser):
    """Reads a form, or JSON under any other media type, into one mapping; an empty body is empty."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> dict[str, Any]:
        """Return the fields of the body; raise ParseError unless it is a form or a JSON object."""
        raw = stream.body if isinstance(stream, HttpRequest) else stream.read()
        if not raw.strip():
            return {}
        request = (parser_context or {}).get("request")
        coding = request.headers.get("Content-Encoding", "") if request else ""
        if coding.strip().lower() not in {"", "identity"}:
            raise UnsupportedMediaType(
                coding, "Send the body without Content-Encoding."
            )
        kind = (media_type or "").split(";")[0].strip().lower()
        if kind == MULTIPART:
            raise ParseError(f"Send a form as {FORM}, or JSON.")
        if kind == FORM:
            # What curl sends for `-d '{…}'`. Read as a form, it would be one odd name.
            if raw.lstrip().startswith(b"{"):
                raise ParseError(JSON_AS_FORM)
            return form_fields(raw)
        return json_fields(raw)


def form_fields(raw: bytes) -> dict[str, Any]:
    """Read a form.

    `services[]=` adds to a list named `services`, `response[status]=` sets a key of an object named
    `response`. Raises ParseError for a form that names any other field twice.
    """
    fields: dict[str, Any] = {}
    for name, value in _pairs(raw):
        whole, bracket, key = name.removesuffix("]").partition("[")
        if not bracket or not name.endswith("]"):
            if name in fields:
                raise _repeated(name)
            fields[name] = value
            continue
        collected = fields.setdefault(whole, {} if key else [])
        if key and isinstance(collected, dict) and key not in collected:
            collected[key] = value
        elif not key and isinstance(collected, list):
            collected.append(value)
        else:
            raise _repeated(name)
    _refuse_unstorable(fields)
    return fields


def _repeated(name: str) -> ParseError:
    return ParseError(f"The body has the field {name[:MAX_NAME_SHOWN]} twice.")


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a form. Raises ParseError; Django replaces what is not UTF-8."""
    try:
        return parse_qsl(
            raw.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS,
        )
    except UnicodeDecodeError as error:
        raise ParseError("The form is not UTF-8.") from error
    except ValueError as error:
        raise ParseError("The form has too many fields.") from error


def json_fields(raw: bytes) -> dict[str, Any]:
    """Read a JSON object strictly: UTF-8, no NaN, no name twice, an object at the top.

    The time is proportional to the size of the body. Raises ParseError.
    """
    if sum(map(raw.count, JSON_SEPARATORS)) > MAX_JSON_SEPARATORS:
        raise ParseError("The body has too many values.")
    try:
        value = json.loads(
            raw.decode(), parse_constant=_no_constant, object_pairs_hook=_object
        )
    except ValueError as error:
        raise ParseError("The body is not valid JSON.") from error
    except RecursionError as error:
        raise ParseError(NESTED_TOO_DEEP) from error
    if not isinstance(value, dict):
        raise ParseError("The body is not a JSON object.")
    _refuse_unstorable(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _repeated(next(name for name in names if names.count(name) > 1))
    return found


def _refuse_unstorable(fields: dict[str, Any]) -> None:
    """Refuse deep nesting, and text that PostgreSQL cannot store; looks at each value once."""
    level: list[Any] = [fields]
    for _ in range(MAX_JSON_DEPTH):
        below: list[Any] = []
        for container in level:
            if isinstance(container, dict):
                values = [*container, *container.values()]
            else:
                values = container
            for value in values:
                if isinstance(value, str):
                    _refuse_unstorable_text(value)
                elif isinstance(value, dict | list):
                    below.append(value)
        level = below
    if level:
        raise ParseError(NESTED_TOO_DEEP)


def _refuse_unstorable_text(text: str) -> None:
    if UNSTORABLE.search(text):
        raise ParseError("The body contains a null byte or an invalid character.")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
