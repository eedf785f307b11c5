"""What each operation of the API reads and answers, from the table of its view or of its kind."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.openapi import AutoSchema
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.api.sudo import Sudo
from accounts.api.tokens import Tokens
from accounts.body_text import TextField
from portal.idempotency import KEY_CHARACTERS, MAX_KEY_LENGTH
from portal.openapi import accounts, billing, kinds, products
from portal.openapi.errors import form_of
from portal.openapi.schemas import (
    SENT_FLAGS,
    Described,
    Schema,
    nullable,
    text,
    whole,
)
from products.api.edge import EdgeAuthentication
from products.api.fastly_json import STAGING
from products.api.items import ItemView
from products.api.parts import PartView
from products.api.stats import FIELDS, GRANULARITIES
from products.protocol import API_PATH
from products.services.kinds import KINDS
from products.services.kinds.items import ITEM_KINDS

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
# A converter with such a pattern names a few words, and each has a path of its own.
WORDS: Final = re.compile(r"[\w/-]+(\|[\w/-]+)*")
PARAMETER: Final = re.compile(r"<(?:\w+:)?(?P<name>\w+)>")
TABLE: Final = {
    **accounts.OPERATIONS,
    **billing.OPERATIONS,
    **products.OPERATIONS,
}
KEY: Final = "FastlyKey"
EDGE: Final = "EdgeCredential"
SECURITY_SCHEMES: Final = {
    KEY: {
        "type": "apiKey",
        "in": "header",
        "name": "Fastly-Key",
        "description": "An API token.",
    },
    EDGE: {"type": "http", "scheme": "bearer", "description": "An edge's credential."},
}
HEADERS: Final = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body give the first answer again for 24 hours.",
        "schema": text(minLength=1, maxLength=MAX_KEY_LENGTH, pattern=KEY_CHARACTERS),
    },
    "Otp": {
        "name": "Fastly-OTP",
        "in": "header",
        "description": "A code of your second factor.",
        "schema": text(pattern="^[0-9A-Za-z]+$"),
    },
}
# Parameters of paths with few values, and what a whole number can be.
VALUES: Final[Mapping[str, Schema]] = {
    "granularity": text(enum=list(GRANULARITIES)),
    "field": text(enum=list(FIELDS)),
    "environment": text(enum=[STAGING]),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path with braces for its parameters, its view, and what the route gives the view."""

    path: str
    route: str  # as the resolver names it
    view: Any
    converters: Mapping[str, str]  # names of the parameters, and what they match
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def view_class(self) -> type[APIView]:
        """The class of the view."""
        return self.view.view_class  # type: ignore[no-any-return]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the path answers."""
        names = self.view_class.http_method_names
        return tuple(
            each
            for each in METHODS
            if each.lower() in names and hasattr(self.view_class, each.lower())
        )


def endpoints() -> Iterator[Endpoint]:
    """Yield the endpoints of the API: for a route that names a kind, one per kind."""
    for pattern, before in _patterns(get_resolver().url_patterns, "/"):
        if not before.startswith(API_PATH) or not _is_api(pattern):
            continue
        route = f"{before}{pattern.pattern}"
        found = {name: each.regex for name, each in pattern.pattern.converters.items()}
        given = {name: str(each) for name, each in pattern.default_args.items()}
        few = {name: regex for name, regex in found.items() if WORDS.fullmatch(regex)}
        free = {name: regex for name, regex in found.items() if name not in few}
        for words in product(*(regex.split("|") for regex in few.values())):
            values = dict(zip(few, words, strict=True))
            names = {name: f"{{{name}}}" for name in free} | values
            path = PARAMETER.sub(r"{\g<name>}", route).format_map(names)
            found_route = route.removeprefix("/")
            yield Endpoint(path, found_route, pattern.callback, free, given | values)


def _patterns(patterns: Iterable[Any], before: str) -> Iterator[tuple[URLPattern, str]]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns, f"{before}{each.pattern}")
        else:
            yield each, before


def _is_api(pattern: URLPattern) -> bool:
    view_class = getattr(pattern.callback, "view_class", object)
    return isinstance(view_class, type) and issubclass(view_class, APIView)


def described(endpoint: Endpoint, method: str) -> Described:
    """Return what an operation reads and answers. Raises KeyError if no table has it."""
    view = endpoint.view_class
    name = view.__name__
    if (view, method) in TABLE:
        return TABLE[view, method]
    if issubclass(view, PartView):
        return kinds.part_operation(name, method, KINDS[endpoint.values["kind"]])
    if issubclass(view, ItemView):
        return kinds.item_operation(name, method, ITEM_KINDS[endpoint.values["kind"]])
    raise KeyError(f"{method} {endpoint.path} is not in the table.")


class OperationSchema(AutoSchema):
    """Describes an operation; the framework reads the serializers."""

    endpoint: Endpoint

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> Schema:
        """Return the operation object of a path and a method."""
        self.endpoint = self.view.endpoint  # type: ignore[attr-defined] # see Generator
        self.path, self.method, self.registry = path, method, registry
        found = described(self.endpoint, method)
        handler = getattr(self.endpoint.view_class, method.lower())
        words = _docstring(handler)
        operation: Schema = {
            "operationId": operation_id(self.endpoint, method),
            "summary": words[0].rstrip("."),
            "tags": [tag_of(self.endpoint)],
            "parameters": [
                *self._path_parameters(),
                *self._query(found),
                *self._headers(method),
            ],
            "security": self._security(method),
            "responses": self._responses(found),
        }
        if words[1:]:
            operation["description"] = "\n\n".join(words[1:])
        if found.body is not None:
            operation["requestBody"] = self._body(found, method)
        if self.path.startswith(f"{API_PATH}enabled-products/{{"):
            operation["deprecated"] = True
        return operation

    def _path_parameters(self) -> list[Schema]:
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": _of_path(name, regex),
            }
            for name, regex in self.endpoint.converters.items()
        ]

    def _query(self, found: Described) -> list[Schema]:
        fields = found.query
        if isinstance(fields, type):
            shape = self._fields_of(fields)
            needed = shape.get("required", [])
            fields = shape["properties"]
        else:
            needed = [name for name, each in fields.items() if each.get("required")]
        return [
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                # The page of the reference shows the description of a parameter only.
                **{key: each[key] for key in each if key == "description"},
                "schema": {
                    key: each[key]
                    for key in each
                    if key not in {"required", "description"}
                },
            }
            for name, each in fields.items()
        ]

    def _headers(self, method: str) -> list[Schema]:
        view = self.endpoint.view_class
        secret = getattr(view, "answers_with_secret", False)
        if self._by_password(method):
            return [{"$ref": "#/components/parameters/Otp"}]
        of_edge = EdgeAuthentication in view.authentication_classes
        if method == "GET" or secret or of_edge:
            return []
        return [{"$ref": "#/components/parameters/IdempotencyKey"}]

    def _security(self, method: str) -> list[Schema]:
        view = self.endpoint.view_class
        if EdgeAuthentication in view.authentication_classes:
            return [{EDGE: []}]
        if not view.authentication_classes:
            return [{}]
        return [{KEY: []}, {}] if self._by_password(method) else [{KEY: []}]

    def _by_password(self, method: str) -> bool:
        """Tell whether a password is enough: to re-authenticate, and to create a token."""
        return method == "POST" and self.endpoint.view_class in {Sudo, Tokens}

    def _body(self, found: Described, method: str) -> Schema:
        schema = found.body
        if isinstance(schema, type):
            schema = self._fields_of(schema)
            schema["properties"] = {**schema["properties"], **found.more}
            required = [*schema.pop("required", []), *found.needed]
            if method == "POST" and required:  # others change what is sent
                schema["required"] = required
        shown = {"example": found.example} if found.example else {}
        return {
            "required": _needs_something(schema),
            "content": {kind: {"schema": schema} | shown for kind in found.bodies},
        }

    def _fields_of(self, serializer: type[Serializer[Any]]) -> Schema:
        reader = serializer()
        shape: Schema = self._map_serializer(reader, "request")  # type: ignore[no-untyped-call]
        shape.pop("description", None)
        for name, sent in shape["properties"].items():
            read = reader.fields[name]
            if isinstance(read, TextField) and read.allow_blank and not read.allow_null:
                shape["properties"][name] = nullable(sent)
            if sent.get("type") == "boolean":
                others = {key: value for key, value in sent.items() if key != "type"}
                shape["properties"][name] = others | {"enum": [*SENT_FLAGS]}
        return shape

    def _responses(self, found: Described) -> Schema:
        answer: Schema = {"description": "Done."}
        if found.answer is not None:
            answer["content"] = {found.media_type: {"schema": found.answer}}
        form = form_of(self.path, self.endpoint.view_class)
        refused = {"$ref": f"#/components/responses/{form}"}
        unchanged = {"description": "The table has not changed."}
        others = {"304": unchanged} if self.path.endswith("/routes") else {}
        return {str(found.status): answer, **others, "default": refused}


def _needs_something(schema: Any) -> bool:
    return bool(schema.get("required"))


def _of_path(name: str, regex: str) -> Schema:
    if name in VALUES:
        return dict(VALUES[name])
    if regex.startswith("[0-9]"):
        return whole(minimum=0)
    return text(minLength=1) | ({} if regex == ".+" else {"pattern": "^[^/]+$"})


def _docstring(handler: Any) -> list[str]:
    """Return the paragraphs of a docstring, each as one line."""
    paragraphs = (handler.__doc__ or "").strip().split("\n\n")
    return [" ".join(each.split()) for each in paragraphs]


def operation_id(endpoint: Endpoint, method: str) -> str:
    """Return the unique name of an operation, made of its path."""
    path = endpoint.path.removeprefix(API_PATH)
    usual = path.replace("{service_id}/", "").replace("{number}/", "")
    return "_".join([method.lower(), *re.findall(r"\w+", usual)])


def tag_of(endpoint: Endpoint) -> str:
    """Return the group of an operation: that of its kind, or of its module."""
    kind = endpoint.values.get("kind", "")
    if kind.startswith("logging/"):
        return "Log endpoints"
    if kind:
        return KINDS[kind].plural
    module = endpoint.view_class.__module__.rpartition(".")[2]
    return MODULES.get(module, module.replace("_", " ").capitalize())


MODULES: Final = {
    "decision": "Deployment decision",
    "diff": "Versions",
    "directors": "Directors",
    "domains": "Domains",
    "edge": "Edges",
    "enabled_products": "Products of services",
    "ingest": "Edges",
    "items": "Dictionaries",
    "openid_configuration": "API tokens",
    "sudo": "API tokens",
    "tokens": "API tokens",
    "trail": "Audit trail",
    "stats": "Statistics",
    "automation_tokens": "API tokens",
    "authorizations": "Access to services",
    "users": "Users and account",
    "vcl": "VCL files",
    "verify": "API tokens",
}
