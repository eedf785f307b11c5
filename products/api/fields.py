"""Reads and writes parts in Fastly's format, by the declarations of their kinds.

A form and JSON have the same fields. In a form, a list is text with commas, a JSON array or
`name[]`, and an object is JSON or `name[key]`. Other fields are ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.actor import Actor
from accounts.body_text import others_than_shown
from accounts.policy import load_access
from accounts.roles import Permission
from products.services.describe import missing_sentence
from products.services.kinds import Field, Kind
from products.services.models import Part, Service, Version
from products.services.queries import missing_parts_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """What the actor may see of the parts of one service."""

    may_configure: bool
    may_read_vcl: bool

    def hides(self, field: Field) -> bool:
        """Tell whether the actor may not see a field: a secret, or the content of VCL."""
        if field.secret:
            return not self.may_configure
        return field.needs is Permission.SERVICE_VCL and not self.may_read_vcl


def reader_of(actor: Actor, service: Service) -> Reader:
    """Read what an actor may see of a service's parts: one query."""
    access = load_access(actor, service.account_id)
    return Reader(
        may_configure=access.decide(Permission.SERVICE_CONFIGURE, service.pk).allowed,
        may_read_vcl=access.decide(Permission.SERVICE_VCL, service.pk).allowed,
    )


def to_json(
    row: Part, version: Version, reader: Reader, *, created: bool = False
) -> Json:
    """Return a part in the encoding of its kind."""
    kind = row.declared
    shown: Json = {"name": row.name} if kind.named and not kind.single else {}
    if kind.shows_id:
        shown["id"] = row.public_id
    shown |= kind.in_api(row.values, reader.hides, created=created)
    if not kind.has_times:
        return shown
    return shown | {
        "service_id": version.service_id,
        "version": str(version.number) if kind.version_as_text else version.number,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "deleted_at": None,
    }


def settings_to_json(
    kind: Kind, row: Part | None, version: Version, reader: Reader
) -> Json:
    """Return the settings of a version; defaults without a row."""
    shown = kind.in_api(row.values if row else {}, reader.hides)
    if not kind.has_times:
        return shown
    return shown | {"service_id": version.service_id, "version": version.number}


def warned(shown: Json, row: Part, sent: Json) -> Json:
    """Add `msg`: what of the sent fields is stored and not carried out, or names a missing part."""
    kind = row.declared
    stored = {field: value for field, value in row.values.items() if field in sent}
    read_only = [each.name for each in kind.fields if each.read_only]
    ignored = others_than_shown(shown, sent, read_only)
    # Clients send the defaults of all settings with every new service.
    at_default = all(each.is_default(row.values) for each in kind.settable)
    said = [
        ""
        if kind.always_there and at_default
        else kind.warning(row.name, row.values, stored),
        f"Not set, because they are read only: {', '.join(ignored)}."
        if ignored
        else "",
        *(
            missing_sentence(each)
            for each in missing_parts_of(row)
            if each.field in sent
        ),
    ]
    msg = " ".join(sentence for sentence in said if sentence)
    return shown | {"msg": msg} if msg else shown


def read(kind: Kind, sent: Mapping[str, Any]) -> Json:
    """Return the fields of a kind in a request body, as they were sent; the command reads them."""
    return {each.name: sent[each.name] for each in kind.settable if each.name in sent}
