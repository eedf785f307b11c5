"""Services and versions in Fastly's format."""

from collections.abc import Sequence
from typing import Any

from products.api import fields
from products.services import queries
from products.services.models import PART_KINDS, Service, Version

Json = dict[str, Any]
# Fastly's names for the lists of `details`, first those with parts, then those that are always empty.
PART_LISTS = {
    "backends": "backend",
    "domains": "domain",
    "headers": "header",
    "snippets": "snippet",
    "vcls": "vcl",
}
EMPTY_LISTS = (
    "acls",
    "cache_settings",
    "conditions",
    "dictionaries",
    "directors",
    "gzips",
    "healthchecks",
    "request_settings",
    "response_objects",
    "wordpress",
)
assert set(PART_LISTS.values()) < set(PART_KINDS)  # noqa: S101 - finds a typing error at import


def version(row: Version) -> Json:
    """Return a version. No version is ever staged or tested."""
    return {
        "number": row.number,
        "service_id": row.service_id,
        "active": row.active,
        "locked": row.locked,
        "deployed": row.active,
        "staging": False,
        "testing": False,
        "comment": row.comment,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": None,
        "environments": [],
    }


def service_fields(row: Service) -> Json:
    """Return the fields that every response about a service has."""
    return {
        "id": row.pk,
        "name": row.name,
        "comment": row.comment,
        "type": row.type,
        "customer_id": row.account_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
        "paused": False,
        "environments": [],
    }


def listed(row: Service, versions: Sequence[Version]) -> Json:
    """Return a service in a list, with the number of its active version, else of its latest."""
    current = next(
        (each for each in versions if each.active), versions[-1] if versions else None
    )
    return service_fields(row) | {
        "version": current.number if current else 0,
        "versions": [version(each) for each in versions],
    }


def service(row: Service, versions: Sequence[Version]) -> Json:
    """Return one service."""
    return service_fields(row) | {
        "publish_key": "",
        "versions": [version(each) for each in versions],
    }


def whole_version(row: Version) -> Json:
    """Return a version with all its parts."""
    parts: Json = {
        name: [fields.to_json(kind, each, row) for each in queries.parts_of(row, kind)]
        for name, kind in PART_LISTS.items()
    }
    empty: Json = {name: [] for name in EMPTY_LISTS}
    return version(row) | parts | empty | {"settings": settings(row)}


def settings(row: Version) -> Json:
    """Return a version's settings: Fastly's defaults, which cannot be changed."""
    return {
        "general.default_ttl": 3600,
        "general.default_host": "",
        "general.stale_if_error": False,
        "general.stale_if_error_ttl": 43200,
        "general.default_pci": 0,
        "service_id": row.service_id,
        "version": row.number,
    }
