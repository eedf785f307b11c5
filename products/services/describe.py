"""Versions as the plain values that the rules and the route table read."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import islice
from typing import Any, Final, NamedTuple

from accounts.prepared import PreparedQuery
from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    HeaderConfig,
    LogEndpointConfig,
    MissingPart,
    SnippetConfig,
    VclConfig,
    VersionConfig,
)
from products.protocol import MAX_HEADER_NAME_LENGTH, header_name_problem
from products.services.kinds import KINDS, REFERENCES, Key
from products.services.kinds.fields import Values
from products.services.kinds.logging import DEFAULT_SYSLOG_PORT, LOGGING_KINDS
from products.services.models import Part, Version

# Versions read together: bounds the parameters of a query.
BATCH_SIZE = 1_000
_REQUEST_HEADER = re.compile(r"%\{([^{}:]{1,255})\}i")
MAX_LOGGED_HEADERS = 50
# Settings of log endpoints that the edge carries out.
_LOG_SETTINGS = (
    "tls_hostname",
    "tls_ca_cert",
    "tls_client_cert",
    "tls_client_key",
    "token",
    "method",
    "content_type",
    "header_name",
    "header_value",
)
_LOG_PREFIX = "logging/"


def _plain(kind: str, config: type[Any]) -> Callable[[str, Values], Any]:
    """Return a function that makes a config of a part's values; a secret is "set"."""
    names = {each.name for each in fields(config)} - {"name"}
    secrets = {each.name for each in KINDS[kind].fields if each.secret}

    def made(name: str, values: Values) -> Any:
        given = {
            field: "set" if field in secrets and value else value
            for field, value in values.items()
            if field in names and value is not None
        }
        return config(name=name, **given)

    return made


# By kind of part: its field in VersionConfig, and what makes one of its values.
_CONFIGS: Mapping[str, tuple[str, Callable[[str, Values], Any]]] = {
    "domain": ("domains", _plain("domain", DomainConfig)),
    "backend": ("backends", _plain("backend", BackendConfig)),
    "header": ("headers", _plain("header", HeaderConfig)),
    "snippet": ("snippets", _plain("snippet", SnippetConfig)),
    "vcl": ("vcls", _plain("vcl", VclConfig)),
}
_DESCRIBED = frozenset((*_CONFIGS, *(kind.segment for kind in LOGGING_KINDS)))
_NAMED = frozenset(kind for found in REFERENCES.values() for kind in found.values())
_READ = sorted(_DESCRIBED | REFERENCES.keys() | _NAMED)


class _Row(NamedTuple):
    """A part as the query returns it."""

    version_id: int
    kind: str
    name: str
    public_id: str
    values: Values

    @property
    def key(self) -> str:
        return self.public_id if KINDS[self.kind].key is Key.ID else self.name


_PARTS: Final = PreparedQuery(
    lambda version_ids: (
        Part.objects.filter(version__in=version_ids, kind__in=_READ)
        .order_by("position")
        .values_list("version_id", "kind", "name", "public_id", "values")
    )
)


def version_config(version: Version) -> VersionConfig:
    """Return a version as plain values; one query."""
    return version_configs([version])[version.pk]


def version_configs(versions: Iterable[Version]) -> dict[int, VersionConfig]:
    """Return versions as plain values, by their ids; one query for a thousand of them.

    Parts are in the order in which they were added. A secret is "set", never its value.
    """
    numbers = {version.pk: version.number for version in versions}
    parts: dict[int, list[_Row]] = {key: [] for key in numbers}
    for row in _part_rows(list(numbers)):
        parts[row.version_id].append(row)
    return {key: _version_config(number, parts[key]) for key, number in numbers.items()}


def _part_rows(version_ids: list[int]) -> Iterator[_Row]:
    for start in range(0, len(version_ids), BATCH_SIZE):
        yield from map(_Row._make, _PARTS.rows(version_ids[start : start + BATCH_SIZE]))


def _version_config(number: int, rows: Iterable[_Row]) -> VersionConfig:
    found: dict[str, list[Any]] = {}
    names: set[tuple[str, str]] = set()
    references: list[MissingPart] = []
    for row in rows:
        if row.kind in _DESCRIBED:
            attribute, part = _config(row.kind, row.name, row.values)
            found.setdefault(attribute, []).append(part)
        if row.kind in _NAMED:
            names.add((row.kind, row.name))
        if row.kind in REFERENCES:
            references += references_of(row.kind, row.name, row.key, row.values)
    return VersionConfig(
        number=number,
        missing=tuple(
            each for each in references if (each.of_kind, each.name) not in names
        ),
        **{attribute: tuple(parts) for attribute, parts in found.items()},
    )


def references_of(
    kind: str, name: str, key: str, values: Values
) -> Iterator[MissingPart]:
    """Yield the parts that a part names, as if the version had none of them."""
    for field, of_kind in REFERENCES.get(kind, {}).items():
        value = values.get(field)
        for named in value if isinstance(value, list) else [value]:
            if named:
                yield MissingPart(
                    of_kind=of_kind,
                    name=str(named),
                    kind=kind,
                    part=name,
                    key=key,
                    field=field,
                )


def missing_sentence(missing: MissingPart) -> str:
    """Say that the version lacks a part, and what names it."""
    kind, part = KINDS[missing.of_kind], KINDS[missing.kind]
    label = part.by_name[missing.field].label
    return (
        f"{label} of {part.in_sentence} {missing.part} names “{missing.name}”, but this version has "
        f"no {kind.in_sentence} of that name."
    )


def config_of(kind: str, name: str, values: Values) -> tuple[str, Any] | None:
    """Return a part's field in VersionConfig, and its config; None if no rule looks at its kind."""
    return _config(kind, name, values) if kind in _DESCRIBED else None


def _config(kind: str, name: str, values: Values) -> tuple[str, Any]:
    if kind.startswith(_LOG_PREFIX):
        return "log_endpoints", _log_endpoint(kind, name, values)
    attribute, config = _CONFIGS[kind]
    return attribute, config(name, values)


def _log_endpoint(kind: str, name: str, values: Values) -> LogEndpointConfig:
    return LogEndpointConfig(
        name,
        "" if KINDS[kind].idle(values) else kind.removeprefix(_LOG_PREFIX),
        _log_address(kind, values),
        logged_headers(str(values.get("format") or "")),
        bool(values.get("use_tls")),
        {name: str(values[name]) for name in _LOG_SETTINGS if values.get(name)},
    )


def _log_address(kind: str, values: Values) -> str:
    if kind != "logging/syslog":
        return str(values.get("url") or "")
    host = str(values.get("address") or values.get("hostname"))
    port = values.get("port") or DEFAULT_SYSLOG_PORT
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def logged_headers(line: str) -> tuple[str, ...]:
    """Return the request headers that a log format names (`%{Name}i`), fifty at most."""
    names = dict.fromkeys(_REQUEST_HEADER.findall(line))
    valid = (
        name
        for name in names
        if len(name) <= MAX_HEADER_NAME_LENGTH and not header_name_problem(name)
    )
    return tuple(islice(valid, MAX_LOGGED_HEADERS))
