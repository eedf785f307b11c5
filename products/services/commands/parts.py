"""Add, change and remove the parts of a draft."""

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict
from accounts.roles import Permission
from products.services.commands.locking import (
    Duplicate,
    bump_revision,
    draft_for_update,
)
from products.services.commands.versions import version_target
from products.services.models import Part, Version
from products.services.queries import get_part
from products.services.summary import audit_changes, audit_values, values_of
from products.services.validation import clean, model_of, with_tls_from_port

CREATED: Mapping[str, Event] = {
    "domain": Event.DOMAIN_CREATED,
    "backend": Event.BACKEND_CREATED,
    "header": Event.HEADER_CREATED,
    "snippet": Event.SNIPPET_CREATED,
    "vcl": Event.VCL_CREATED,
    "log_endpoint": Event.LOGGING_CREATED,
}
UPDATED: Mapping[str, Event] = {
    "domain": Event.DOMAIN_UPDATED,
    "backend": Event.BACKEND_UPDATED,
    "header": Event.HEADER_UPDATED,
    "snippet": Event.SNIPPET_UPDATED,
    "vcl": Event.VCL_UPDATED,
    "log_endpoint": Event.LOGGING_UPDATED,
}
DELETED: Mapping[str, Event] = {
    "domain": Event.DOMAIN_DELETED,
    "backend": Event.BACKEND_DELETED,
    "header": Event.HEADER_DELETED,
    "snippet": Event.SNIPPET_DELETED,
    "vcl": Event.VCL_DELETED,
    "log_endpoint": Event.LOGGING_DELETED,
}


class StaleRevision(Conflict):
    """Someone else changed the version after it was read.

    `wanted` and `current` have the fields of the refused change whose values differ, with the
    requested and the saved value; `revision` is the version's now. A secret is "set" or "changed".
    """

    code = "stale_revision"

    def __init__(
        self,
        version: Version,
        wanted: Mapping[str, object],
        current: Mapping[str, object],
    ) -> None:
        """Say both values of each field."""
        super().__init__(
            f"Someone else changed version {version.number} while you were editing.",
            details=[
                f"{field}: yours is {wanted[field]!r}, saved is {current[field]!r}."
                for field in wanted
            ],
        )
        self.revision = version.revision
        self.wanted = dict(wanted)
        self.current = dict(current)


def add_part(
    actor: Actor,
    *,
    version: Version,
    kind: str,
    name: str,
    fields: Mapping[str, object],
    now: datetime,
) -> Part:
    """Add a part to a draft; fields that are left out get their defaults.

    Raises Forbidden, NotFound, InvalidFields, VersionLocked, and Duplicate for a name that the
    version has. Notes `<kind>.created`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        values = clean(kind, name, _with_coupling(kind, fields))
        row = model_of(kind)(version=version, created_at=now, updated_at=now, **values)
        _save(kind, row, insert=True)
        bump_revision(version, now)
        _note(trail, CREATED[kind], kind, row, after=audit_values(kind, row))
    return row


def change_part(
    actor: Actor,
    *,
    version: Version,
    kind: str,
    name: str,
    changes: Mapping[str, object],
    now: datetime,
    expected_revision: int | None = None,
) -> Part:
    """Change a part of a draft; a `name` among the changes renames it.

    `expected_revision` is the revision that the editor saw; if the version has another one now,
    StaleRevision has both values. Raises Forbidden, NotFound, InvalidFields, VersionLocked and
    Duplicate. Notes `<kind>.updated` if something changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_part(version, kind, name)
        before = values_of(row)
        after = _merged(kind, before, changes)
        old, new = audit_changes(kind, before, after)
        if not new:
            raise Unchanged
        if expected_revision not in {None, version.revision}:
            raise StaleRevision(version, new, old)
        for field, value in after.items():
            setattr(row, field, value)
        row.updated_at = now
        _save(kind, row)
        bump_revision(version, now)
        _note(trail, UPDATED[kind], kind, row, before=old, after=new)
    return row


def remove_part(
    actor: Actor, *, version: Version, kind: str, name: str, now: datetime
) -> None:
    """Remove a part of a draft.

    Raises Forbidden, NotFound and VersionLocked. Notes `<kind>.deleted`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_part(version, kind, name)
        _note(trail, DELETED[kind], kind, row, before=audit_values(kind, row))
        row.delete()
        bump_revision(version, now)


def _with_coupling(kind: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    return with_tls_from_port(fields) if kind == "backend" else fields


def _merged(
    kind: str, current: Mapping[str, object], changes: Mapping[str, object]
) -> dict[str, object]:
    """Return the whole part with the changes, validated; without a name it keeps its name."""
    merged = dict(current) | dict(_with_coupling(kind, changes))
    name = merged.pop("name")
    return clean(kind, str(current["name"] if name is None else name), merged)


def _save(kind: str, row: Part, *, insert: bool = False) -> None:
    try:
        row.save(force_insert=insert)
    except IntegrityError as error:
        raise Duplicate(kind, row.name) from error


def part_target(kind: str, part: Part) -> tuple[str, str, str]:
    """Return a part as the trail names it: its kind, `SERVICE/NUMBER/KIND/NAME`, its name."""
    _, version_id, _ = version_target(part.version)
    return kind, f"{version_id}/{kind}/{part.name}", part.name


def _note(
    trail: Trail,
    event: Event,
    kind: str,
    row: Part,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    trail.note(
        event,
        target=part_target(kind, row),
        service_id=row.version.service_id,
        before=before,
        after=after,
    )
