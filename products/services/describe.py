"""Versions as the plain values that the rules and the route table read."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from django.db import connection, models

from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    HeaderConfig,
    LogEndpointConfig,
    SnippetConfig,
    VclConfig,
    VersionConfig,
)
from products.services.models import PART_KINDS, Version
from products.services.summary import SECRET

# Versions read together: SQLite allows 32,766 parameters, and each version takes six.
BATCH_SIZE = 1_000
# By kind of part: its field in VersionConfig, and the class of one.
_CONFIGS: dict[str, tuple[str, type[Any]]] = {
    "domain": ("domains", DomainConfig),
    "backend": ("backends", BackendConfig),
    "header": ("headers", HeaderConfig),
    "snippet": ("snippets", SnippetConfig),
    "vcl": ("vcls", VclConfig),
    "log_endpoint": ("log_endpoints", LogEndpointConfig),
}


def version_config(version: Version) -> VersionConfig:
    """Return a version as plain values; one query."""
    return version_configs([version])[version.pk]


def version_configs(versions: Iterable[Version]) -> dict[int, VersionConfig]:
    """Return versions as plain values, by their ids; one query for a thousand of them.

    Parts are in the order in which they were added. A secret is "set", never its value.
    """
    numbers = {version.pk: version.number for version in versions}
    parts: dict[int, dict[str, list[Any]]] = {key: {} for key in numbers}
    for kind, version_id, _, name, values in _part_rows(list(numbers)):
        attribute, config = _CONFIGS[kind]
        part = config(name=name, **json.loads(values, object_hook=_with_tuples))
        parts[version_id].setdefault(attribute, []).append(part)
    return {
        key: VersionConfig(
            number=number,
            **{attribute: tuple(found) for attribute, found in parts[key].items()},
        )
        for key, number in numbers.items()
    }


def _part_rows(version_ids: list[int]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(version_ids), BATCH_SIZE):
        ids = version_ids[start : start + BATCH_SIZE]
        places = ", ".join(["%s"] * len(ids))
        with connection.cursor() as cursor:
            sql = _parts_sql(connection.vendor).replace("{ids}", places)
            cursor.execute(sql, ids * len(_CONFIGS))
            yield from cursor.fetchall()


@cache
def _parts_sql(vendor: str) -> str:
    """Return the query for all parts of versions: one row per part, its values as JSON.

    Written by hand: six queries, or one that the ORM compiles each time, take ten times as long.
    """
    selects = " UNION ALL ".join(_part_select(kind, vendor) for kind in _CONFIGS)
    return f"{selects} ORDER BY id"


def _part_select(kind: str, vendor: str) -> str:
    model, (_, config) = PART_KINDS[kind], _CONFIGS[kind]
    names = [each.name for each in fields(config) if each.name != "name"]
    pairs = ", ".join(f"'{name}', {_value(model, name, vendor)}" for name in names)
    build = "json_build_object" if vendor == "postgresql" else "json_object"
    # Only names of tables and columns are put into the text.
    return (
        f"SELECT '{kind}' AS kind, version_id, id, name, CAST({build}({pairs}) AS TEXT) "  # noqa: S608
        f"FROM {model._meta.db_table} WHERE version_id IN ({{ids}})"  # noqa: SLF001 - Django's documented name
    )


def _value(model: type[models.Model], name: str, vendor: str) -> str:
    """Return the SQL for a column's JSON value; SQLite has neither booleans nor a JSON type."""
    if name in SECRET:
        return f"CASE WHEN {name} <> '' THEN 'set' END"
    field = model._meta.get_field(name)  # noqa: SLF001 - Django's documented name
    if vendor == "sqlite" and isinstance(field, models.BooleanField):
        return f"json(CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    if vendor == "sqlite" and isinstance(field, models.JSONField):
        return f"json({name})"
    return name


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
