"""The responses to refused requests, each in the form that the route has."""

from collections.abc import Mapping
from typing import Final

from portal.error_responses import is_own_path
from portal.openapi.schemas import (
    JSON,
    JSON_API,
    Schema,
    anything,
    array,
    obj,
    ref,
    text,
    whole,
)

PROBLEM_JSON: Final = "application/problem+json"
CLASSIC: Final = obj({"msg": text("What is refused.")}, {"detail": text("Why.")})
PROBLEM: Final = obj(
    {
        "type": text(),
        "title": text(),
        "status": whole(),
        "detail": text("Why."),
        "code": text("For programs."),
    },
    {
        "fields": array(obj({"field": text(), "message": text()})),
        "checks": array(anything(), "Each check of a refused deployment."),
    },
)
OF_PRODUCT: Final = obj(
    {
        "type": text(),
        "title": text(),
        "status": whole(),
        "errors": {"type": "null"},
        "detail": text("Why."),
    }
)
OF_JSON_API: Final = obj(
    {
        "errors": array(
            obj(
                {"status": text(), "title": text()},
                {"code": text(), "detail": text()},
            )
        )
    }
)
SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": CLASSIC,
    "Problem": PROBLEM,
    "ProductError": OF_PRODUCT,
    "JsonApiError": OF_JSON_API,
}
WORDS: Final = (
    "The request is refused. With `Accept: application/problem+json`, the answer is a problem "
    "(RFC 9457), with all data."
)


def _response(classic: Schema, **more: Schema) -> Schema:
    content = {JSON: classic, PROBLEM_JSON: ref("Problem")} | more
    return {
        "description": WORDS,
        "content": {kind: {"schema": schema} for kind, schema in content.items()},
    }


# By the form of the route, as `portal.error_responses` has them.
RESPONSES: Final[Mapping[str, Schema]] = {
    "classic": _response(ref("Error")),
    "products": _response({"anyOf": [ref("Error"), ref("ProductError")]}),
    "json_api": _response(ref("Error"), **{JSON_API: ref("JsonApiError")}),
    "problem": {
        "description": "The request is refused.",
        "content": {PROBLEM_JSON: {"schema": ref("Problem")}},
    },
}


def form_of(path: str, view: object) -> str:
    """Return the form of the errors of a route; a template of a path is enough."""
    if is_own_path(path):
        return "problem"
    form = str(getattr(view, "error_form", "classic"))
    return "classic" if form == "problem" else form  # both are among its media types
