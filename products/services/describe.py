"""A version's rows as `compatibility.config`, which the rules read."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from products.compatibility.version_config import (
    BackendConfig,
    DomainConfig,
    HeaderConfig,
    SnippetConfig,
    VclConfig,
    VersionConfig,
)
from products.services.models import Backend, Header, Version
from products.services.summary import SECRET

# The relations that `describe` and `route_parts` read; fetched ahead for many versions at once.
PARTS = ("domains", "backends", "headers", "snippets", "vcls", "logendpoints")


def with_parts(versions: QuerySet[Version]) -> QuerySet[Version]:
    """Fetch ahead all that `describe` and `route_parts` read: six queries for any number."""
    return versions.prefetch_related(*PARTS)


def version_config(version: Version) -> VersionConfig:
    """Describe a version as the rules read it: six queries, none `with_parts`.

    Backends stand in the order in which they were added; a key is told to be there, not what it is.
    """
    return VersionConfig(
        number=version.number,
        domains=tuple(
            DomainConfig(row.name) for row in in_order(version.domains.all())
        ),
        backends=tuple(_backend(row) for row in in_order(version.backends.all())),
        headers=tuple(describe_header(row) for row in in_order(version.headers.all())),
        snippets=tuple(
            SnippetConfig(row.name, row.type, row.content)
            for row in in_order(version.snippets.all())
        ),
        vcls=tuple(
            VclConfig(row.name, row.content) for row in in_order(version.vcls.all())
        ),
        log_endpoints=tuple(row.name for row in in_order(version.logendpoints.all())),
    )


def in_order(rows: Iterable[Any]) -> list[Any]:
    """Return rows in the order in which they were added, wherever they were fetched."""
    return sorted(rows, key=lambda row: row.pk)


def _backend(row: Backend) -> BackendConfig:
    fields: dict[str, Any] = {
        field: getattr(row, field) for field in row.FIELDS if field != "comment"
    }
    told = {field: "set" for field in SECRET if fields[field]}
    return BackendConfig(name=row.name, **fields | told)


def describe_header(row: Header) -> HeaderConfig:
    """Describe a header rule as the rules read it."""
    return HeaderConfig(
        name=row.name, **{field: getattr(row, field) for field in row.FIELDS}
    )
