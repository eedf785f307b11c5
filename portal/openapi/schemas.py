"""Builds JSON schemas: short words for the types that the API uses, and for what an operation is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rest_framework.serializers import Serializer

Schema = dict[str, Any]

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
JSON_API: Final = "application/vnd.api+json"
PLAIN: Final = "text/plain"

# What clients send for a boolean, and for a whole number; a form has only text.
SENT_FLAGS: Final = (
    True, False, 0, 1, "0", "1", "true", "false", "True", "False",
)  # fmt: skip
SENT_NUMBER: Final = r"^-?[0-9]{1,10}$"


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a request and the response of one operation contain."""

    answer: Schema | None  # None: the response has no body
    status: int = 200
    media_type: str = JSON  # of the response
    body: Schema | type[Serializer[Any]] | None = None
    more: Mapping[str, Schema] = field(
        default_factory=dict
    )  # fields beside a serializer's
    needed: tuple[str, ...] = ()  # fields that must be sent, besides a serializer's
    example: Schema = field(default_factory=dict)  # of the body
    bodies: tuple[str, ...] = (JSON, FORM)  # the media types of the request
    query: type[Serializer[Any]] | Mapping[str, Schema] = field(default_factory=dict)


def query_names(described: Described) -> tuple[str, ...]:
    """Return the names of the query parameters of an operation."""
    found = described.query
    return tuple(found().fields if isinstance(found, type) else found)


def text(description: str = "", **more: Any) -> Schema:
    """Return the schema of a text."""
    return _described({"type": "string"} | more, description)


def whole(description: str = "", **more: Any) -> Schema:
    """Return the schema of a whole number."""
    return _described({"type": "integer"} | more, description)


def number(description: str = "") -> Schema:
    """Return the schema of a number."""
    return _described({"type": "number"}, description)


def flag(description: str = "") -> Schema:
    """Return the schema of a boolean."""
    return _described({"type": "boolean"}, description)


def moment(description: str = "") -> Schema:
    """Return the schema of a time."""
    return text(description, format="date-time")


def choice(*values: object, description: str = "") -> Schema:
    """Return the schema of one of a few values."""
    return _described({"enum": list(values)}, description)


def array(items: Schema, description: str = "", **more: Any) -> Schema:
    """Return the schema of a list."""
    return _described({"type": "array", "items": items} | more, description)


def by_key(values: Schema, description: str = "") -> Schema:
    """Return the schema of an object whose keys are ids."""
    return _described({"type": "object", "additionalProperties": values}, description)


def anything(description: str = "") -> Schema:
    """Return the schema of an object with any fields."""
    return _described({"type": "object"}, description)


def obj(
    properties: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    description: str = "",
) -> Schema:
    """Return the schema of an object; the keys in `optional` can be missing."""
    shape: Schema = {
        "type": "object",
        "properties": {**properties, **(optional or {})},
    }
    if properties:
        shape["required"] = list(properties)
    return _described(shape, description)


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that can be null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return schema | {"type": [*kinds, "null"]}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def paged(items: Schema) -> Schema:
    """Return the schema of a page of one of Tollgate's own lists."""
    following = text("The address of the next page; empty at the end.")
    return obj({"data": array(items), "meta": obj({"next": following})})


def document(resource: Schema) -> Schema:
    """Return the schema of a JSON:API document with one resource."""
    return obj({"data": resource})


def documents(resource: Schema) -> Schema:
    """Return the schema of a page of a JSON:API list."""
    counts = ("current_page", "per_page", "record_count", "total_pages")
    links = {name: text(format="uri") for name in ("first", "last")}
    near = {name: text(format="uri") for name in ("prev", "next")}
    return obj(
        {
            "data": array(resource),
            "links": obj(links, near),
            "meta": obj({name: whole() for name in counts}),
        }
    )


def relation(kind: str) -> Schema:
    """Return the schema of a JSON:API relationship to one resource."""
    return obj({"data": obj({"id": text(minLength=1), "type": choice(kind)})})


def _described(schema: Schema, description: str) -> Schema:
    return schema | ({"description": description} if description else {})
