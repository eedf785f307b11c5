"""Services and versions in Fastly's format."""

from collections.abc import Sequence
from typing import Any

from products.api import fields
from products.services import queries
from products.services.models import PART_KINDS, Service, Version

Json = dict[str, Any]
# Every list of `details`, by Fastly's name; the kinds that are kept here, and those always empty.
KEPT_LISTS = {
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
assert set(KEPT_LISTS.values()) < set(PART_KINDS)  # noqa: S101 - a slip of the pen, found at import


def version(row: Version) -> Json:
    """Show a version. Nothing is ever staged or tested here."""
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


def plain(row: Service) -> Json:
    """Show what every answer about a service has."""
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
    """Show a service in a list: with the number of its active version, else of its latest."""
    current = next(
        (each for each in versions if each.active), versions[-1] if versions else None
    )
    return plain(row) | {
        "version": current.number if current else 0,
        "versions": [version(each) for each in versions],
    }


def service(row: Service, versions: Sequence[Version]) -> Json:
    """Show one service."""
    return plain(row) | {
        "publish_key": "",
        "versions": [version(each) for each in versions],
    }


def whole_version(row: Version) -> Json:
    """Show a version with all that it holds."""
    kept: Json = {
        name: [fields.shown(kind, each, row) for each in queries.parts_of(row, kind)]
        for name, kind in KEPT_LISTS.items()
    }
    empty: Json = {name: [] for name in EMPTY_LISTS}
    return version(row) | kept | empty | {"settings": settings(row)}


def settings(row: Version) -> Json:
    """Show a version's settings: Fastly's defaults, which nothing here can change."""
    return {
        "general.default_ttl": 3600,
        "general.default_host": "",
        "general.stale_if_error": False,
        "general.stale_if_error_ttl": 43200,
        "general.default_pci": 0,
        "service_id": row.service_id,
        "version": row.number,
    }
