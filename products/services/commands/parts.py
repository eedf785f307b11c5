"""Adding, changing and removing what a draft holds."""

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
from products.services.models import Version, VersionObject
from products.services.queries import get_object
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
    """Somebody else changed the version since it was read.

    `wanted` and `current` hold the fields of the refused change whose values differ, as they
    were to become and as they are; `revision` is the version's now. Keys and the like are
    "set" or "changed" in both.
    """

    code = "stale_revision"

    def __init__(
        self,
        version: Version,
        wanted: Mapping[str, object],
        current: Mapping[str, object],
    ) -> None:
        """Tell both values of each field."""
        super().__init__(
            f"Version '{version.number}' was changed by somebody else while you edited it.",
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
) -> VersionObject:
    """Add a part to a draft; what `fields` leave out is at its default.

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


def change_object(
    actor: Actor,
    *,
    version: Version,
    kind: str,
    name: str,
    changes: Mapping[str, object],
    now: datetime,
    expected_revision: int | None = None,
) -> VersionObject:
    """Change a part of a draft; a `name` among the changes renames it.

    `expected_revision` is the revision of the version that the editor was shown: where the version
    moved on since, StaleRevision tells both values. Raises Forbidden, NotFound, InvalidFields,
    VersionLocked and Duplicate. Notes `<kind>.updated`, and nothing where nothing changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_object(version, kind, name)
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


def remove_object(
    actor: Actor, *, version: Version, kind: str, name: str, now: datetime
) -> None:
    """Remove a part of a draft.

    Raises Forbidden, NotFound and VersionLocked. Notes `<kind>.deleted`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_object(version, kind, name)
        _note(trail, DELETED[kind], kind, row, before=audit_values(kind, row))
        row.delete()
        bump_revision(version, now)


def _with_coupling(kind: str, fields: Mapping[str, object]) -> Mapping[str, object]:
    return with_tls_from_port(fields) if kind == "backend" else fields


def _merged(
    kind: str, current: Mapping[str, object], changes: Mapping[str, object]
) -> dict[str, object]:
    """Return the whole part as it is to be, every rule asked of it; no name keeps the name."""
    merged = dict(current) | dict(_with_coupling(kind, changes))
    name = merged.pop("name")
    return clean(kind, str(current["name"] if name is None else name), merged)


def _save(kind: str, row: VersionObject, *, insert: bool = False) -> None:
    try:
        row.save(force_insert=insert)
    except IntegrityError as error:
        raise Duplicate(kind, row.name) from error


def _note(
    trail: Trail,
    event: Event,
    kind: str,
    row: VersionObject,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    trail.note(
        event,
        target=(kind, row.name, f"{row.name} in version {row.version.number}"),
        service_id=row.version.service_id,
        before=before,
        after=after,
    )
