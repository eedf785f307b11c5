"""Values of parts in Fastly's format: how they are shown and read.

One idea has two encodings there: backend, domain and VCL give `version` as a number and real
booleans; snippet and header give every value as text, and fastly-py 15.0 insists on both. Forms
send booleans as 0, 1, true, True; an empty value clears a setting that may be unset.
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
TRUTHS = {"true": True, "false": False}
LEFT_OUT_WHEN_UNSET = frozenset({"fetch_timeout"})  # fastly-py raises on null


def shown(kind: str, row: Part, version: Version) -> Json:
    """Show something of a version in the encoding of its kind.

    Fastly shows a client's private key again to users who can read the configuration. Here it can be
    set and replaced, and reads as null: a reader's token must not be worth a customer's key.
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
    """Return what the API shows besides the saved values: an id, or the parts of an address."""
    if isinstance(row, Backend):
        literal = _literal(row.address)
        return {
            "hostname": row.address,
            "ipv4": row.address if literal == 4 else None,  # noqa: PLR2004 - IP's versions
            "ipv6": row.address if literal == 6 else None,  # noqa: PLR2004
        }
    return {"id": str(row.pk)} if isinstance(row, Snippet) else {}


def _literal(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def read(kind: str, sent: Mapping[str, Any]) -> Json:
    """Return what a body says of a kind; stray fields are passed over.

    The values are as they were sent: the command takes them as a form's text too, and names every
    one at fault.
    """
    return {
        name: _truth(sent[name]) if _is_boolean(kind, name) else sent[name]
        for name in PART_KINDS[kind].FIELDS
        if name in sent
    }


def _is_boolean(kind: str, name: str) -> bool:
    return isinstance(PART_KINDS[kind].column(name), BooleanField)


def _truth(value: Any) -> Any:
    """Read the two words that Go's clients send beside 0 and 1; the rest is as it was sent."""
    return TRUTHS.get(value, value) if isinstance(value, str) else value


def name_in(sent: Mapping[str, Any]) -> str:
    """Return the name that a body gives; "" for none, which the command refuses with the rest."""
    name = sent.get("name", "")
    if not isinstance(name, str):
        raise Invalid("name: Enter text.", field="name")
    return name
