"""Services and versions in Fastly's format."""

from collections.abc import Sequence
from typing import Any

from products.api import fields
from products.services import queries
from products.services.kinds import KINDS
from products.services.kinds.settings import SETTINGS
from products.services.models import Service, Version

Json = dict[str, Any]
# WordPress is in the details of a service, and no client knows more about it.
EMPTY_LISTS = ("wordpress",)
# What the details of a Compute service have, of the parts (recorded from Fastly).
COMPUTE_DETAILS = frozenset({"backend", "domain", "healthcheck"})
STAGING = "staging"  # the name of Fastly's only environment


def version(row: Version) -> Json:
    """Return a version. No version is ever tested."""
    return {
        "number": row.number,
        "service_id": row.service_id,
        "active": row.active,
        "locked": row.locked,
        "deployed": row.active,
        "staging": row.staged,
        "testing": False,
        "comment": row.comment,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": None,
        "environments": _environments([row]),
    }


def _environments(versions: Sequence[Version]) -> list[Json]:
    """Return the environment in which one of these versions is staged."""
    return [
        {
            "name": STAGING,
            "active_version": each.number,
            "service_id": each.service_id,
        }
        for each in versions
        if each.staged
    ]


def service_fields(row: Service, versions: Sequence[Version]) -> Json:
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
        "environments": _environments(versions),
    }


def listed(row: Service, versions: Sequence[Version]) -> Json:
    """Return a service in a list, with the number of its active version, else of its latest."""
    current = next(
        (each for each in versions if each.active), versions[-1] if versions else None
    )
    return service_fields(row, versions) | {
        "version": current.number if current else 0,
        "versions": [version(each) for each in versions],
    }


def service(row: Service, versions: Sequence[Version]) -> Json:
    """Return one service."""
    return service_fields(row, versions) | {
        "publish_key": "",
        "versions": [version(each) for each in versions],
    }


def whole_version(row: Version, reader: fields.Reader) -> Json:
    """Return a version with its parts, as far as Fastly lists them: one query."""
    found = queries.all_parts(row)
    is_compute = row.service.type == Service.Type.WASM
    parts: Json = {
        kind.details: [fields.to_json(each, row, reader) for each in found[segment]]
        for segment, kind in KINDS.items()
        if kind.details and (not is_compute or segment in COMPUTE_DETAILS)
    }
    if is_compute:
        return version(row) | parts
    empty: Json = {name: [] for name in EMPTY_LISTS}
    settings = next(iter(found[SETTINGS.segment]), None)
    return (
        version(row)
        | parts
        | empty
        | {"settings": fields.settings_to_json(SETTINGS, settings, row, reader)}
    )
