"""Reads and writes the values of parts in Fastly's format.

Fastly has two encodings, and fastly-py 15.0 requires both. Backend, domain and VCL have `version` as
a number, and real booleans. Snippet and header have every value as text. Forms send booleans as 0,
1, true or True. An empty value clears an optional setting.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.db.models import BooleanField

from accounts.errors import Invalid
from products.services.models import (
    PART_KINDS,
    Backend,
    Part,
    Snippet,
    Version,
)
from products.services.summary import SECRET

Json = dict[str, Any]
AS_TEXT = frozenset({"snippet", "header"})
BOOLEANS = {"true": True, "false": False}
LEFT_OUT_WHEN_UNSET = frozenset({"fetch_timeout"})  # fastly-py raises on null


def to_json(kind: str, row: Part, version: Version) -> Json:
    """Return a part in the encoding of its kind.

    Fastly returns a client's private key to users who can read the configuration. Here it can be set
    and replaced, but is returned as null: a token for reading must not reveal a customer's key.
    """
    values = {name: getattr(row, name) for name in row.FIELDS}
    values |= dict.fromkeys(SECRET & values.keys())
    for name in LEFT_OUT_WHEN_UNSET & values.keys():
        if values[name] is None:
            del values[name]
    if kind in AS_TEXT:
        values = {name: _text(value) for name, value in values.items()}
    number = version.number
    return (
        {"name": row.name}
        | values
        | derived(row)
        | {
            "service_id": version.service_id,
            "version": str(number) if kind in AS_TEXT else number,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "deleted_at": None,
        }
    )


def derived(row: Part) -> Json:
    """Return values that the API adds to the saved ones: an id, or the kind of an address."""
    if isinstance(row, Backend):
        version_of_ip = _ip_version(row.address)
        return {
            "hostname": row.address,
            "ipv4": row.address if version_of_ip == 4 else None,  # noqa: PLR2004 - IP's versions
            "ipv6": row.address if version_of_ip == 6 else None,  # noqa: PLR2004
        }
    return {"id": str(row.pk)} if isinstance(row, Snippet) else {}


def _ip_version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def read(kind: str, sent: Mapping[str, Any]) -> Json:
    """Return the fields of a kind in a request body; other fields are ignored.

    The values are as they were sent. The command parses them and names every invalid one.
    """
    return {
        name: _boolean(sent[name]) if _is_boolean(kind, name) else sent[name]
        for name in PART_KINDS[kind].FIELDS
        if name in sent
    }


def _is_boolean(kind: str, name: str) -> bool:
    return isinstance(PART_KINDS[kind].column(name), BooleanField)


def _boolean(value: Any) -> Any:
    """Parse true and false, which Go's clients send besides 0 and 1; leave other values as sent."""
    return BOOLEANS.get(value, value) if isinstance(value, str) else value


def name_in(sent: Mapping[str, Any]) -> str:
    """Return the name in a body, or "", which the command refuses together with other faults."""
    name = sent.get("name", "")
    if not isinstance(name, str):
        raise Invalid("name: Enter text.", field="name")
    return name
