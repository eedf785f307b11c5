"""JSON:API documents: what a request names, and the resources of a response.

Source: https://jsonapi.org/format/1.1/, read 2026-11. Clients send them under several media types.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rest_framework.response import Response

from accounts.api.fastly_json import Json
from accounts.api.pagination import CONTENT_TYPE
from accounts.errors import Invalid, for_each

MAX_BULK = 100
T = TypeVar("T")


def document(resource: Json) -> Response:
    """Return the response with one resource."""
    return Response({"data": resource}, content_type=CONTENT_TYPE)


def resource_in(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the resource of a request with one; raises Invalid if there is none."""
    resource = sent.get("data")
    if not isinstance(resource, Mapping):
        raise Invalid("data must be an object with attributes.", field="data")
    return resource


def value_at(sent: object, *path: str) -> Any:
    """Return the value at a path in a body; None if there is none.

    Raises Invalid if something else than an object is where the path goes through.
    """
    value = sent
    for name in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Invalid(f"{'.'.join(path)}: Enter an object.", field=name)
        value = value.get(name)
    return value


def text_at(sent: object, *path: str) -> str:
    """Return the text at a path in a body; raises Invalid if there is none."""
    value = value_at(sent, *path)
    if not isinstance(value, str) or not value or "\0" in value:
        raise Invalid(f"{'.'.join(path)} is required.", field=path[-1])
    return value


def flag_at(sent: object, *path: str) -> bool:
    """Return the boolean at a path in a body, False if there is none; raises Invalid for others."""
    value = value_at(sent, *path)
    if value is not None and not isinstance(value, bool):
        raise Invalid(f"{'.'.join(path)} must be true or false.", field=path[-1])
    return bool(value)


def related_id(sent: object, name: str) -> str:
    """Return the id of a related resource; raises Invalid if there is none."""
    return text_at(sent, "relationships", name, "data", "id")


def relation(kind: str, key: str) -> Json:
    """Return the relationship to one resource."""
    return {"data": {"id": key, "type": kind}}


def items_in(sent: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the resources of a bulk request; raises Invalid unless there are 1 to 100."""
    items = sent.get("data")
    if not isinstance(items, list) or not all(
        isinstance(one, Mapping) for one in items
    ):
        raise Invalid("data must be a list of objects.", field="data")
    if not 1 <= len(items) <= MAX_BULK:
        raise Invalid(f"data must have 1 to {MAX_BULK} objects.", field="data")
    return items


def each_of(sent: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """Return what is read from each resource of a bulk request; a refusal says of which."""
    return for_each(items_in(sent), "Object", read)


def ids_in(sent: Mapping[str, Any]) -> list[str]:
    """Return the ids of a bulk request, each once."""
    return list(dict.fromkeys(each_of(sent, lambda item: text_at(item, "id"))))
