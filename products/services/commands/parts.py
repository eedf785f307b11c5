"""Add, change and remove the parts of a draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.db.models import Max

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.errors import Conflict, Invalid
from accounts.ids import new_id
from accounts.roles import Permission
from products.services.commands import related
from products.services.commands.dynamic_snippets import note_content, set_content
from products.services.commands.locking import (
    Duplicate,
    bump_revision,
    draft_for_update,
)
from products.services.commands.versions import version_target
from products.services.kinds import Kind
from products.services.models import Part, Version
from products.services.queries import find_single, get_part
from products.services.summary import audit_changes, audit_values, values_of
from products.services.validation import clean, kind_of


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


@dataclass(frozen=True, slots=True)
class RemovedPart:
    """All that is needed to add a removed part again."""

    kind: str
    name: str
    public_id: str
    position: int
    values: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartUpdate:
    """The changes of one part among several; an empty `name` adds a part."""

    kind: str
    name: str = ""
    changes: Mapping[str, object]


def event_of(kind: Kind, verb: str) -> Event:
    """Return the event of a kind and a verb: created, updated or deleted."""
    return Event(f"{kind.event}.{verb}")


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
    version has. Notes `<event of the kind>.created`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = _new_part(version, kind_of(kind), name, fields, trail.now)
        _note_added(trail, row, trail.now)
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

    A part whose kind has no names is found by its id. `expected_revision` is the revision that the
    editor saw; if the version has another one now, StaleRevision has both values. Raises
    Forbidden, NotFound, InvalidFields, VersionLocked and Duplicate. Notes
    `<event of the kind>.updated` if something changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_part(version, kind, name)
        apply_changes(trail, row, changes, trail.now, expected_revision)
    return row


def change_parts(
    actor: Actor,
    *,
    version: Version,
    changes: Sequence[PartUpdate],
    expected_revision: int,
    now: datetime,
) -> None:
    """Change and add several parts of a draft in their order, all or none.

    Raises as `change_part` and `add_part` do; StaleRevision names no fields. Notes an event for
    each part that changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        if version.revision != expected_revision:
            raise StaleRevision(version, {}, {})
        for each in changes:
            if each.name:
                row = get_part(version, each.kind, each.name)
                _change(trail, row, each.changes, trail.now)
            else:
                fields = dict(each.changes)
                name = str(fields.pop("name", ""))
                row = _new_part(version, kind_of(each.kind), name, fields, trail.now)
                _note_added(trail, row, trail.now)
        if version.revision == expected_revision:
            raise Unchanged


def set_single(
    actor: Actor,
    *,
    version: Version,
    kind: str,
    changes: Mapping[str, object],
    now: datetime,
) -> Part:
    """Change the part of which a version has one at most, and add it if it is missing.

    Raises Forbidden, NotFound, InvalidFields and VersionLocked. Notes `<event>.updated` if
    something changes.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = find_single(version, kind)
        if row is None:
            row = _new_part(version, kind_of(kind), "", changes, trail.now)
            after = audit_values(row)
            if not after:
                raise Unchanged
            _save(row, insert=True)
            bump_revision(version, trail.now)
            _note(trail, event_of(row.declared, "updated"), row, after=after)
        else:
            apply_changes(trail, row, changes, trail.now)
    return row


def remove_part(
    actor: Actor, *, version: Version, kind: str, name: str, now: datetime
) -> RemovedPart:
    """Remove a part of a draft, and return what `restore_part` needs.

    Raises Forbidden, NotFound and VersionLocked. Notes `<event of the kind>.deleted`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        row = get_part(version, kind, name)
        removed = RemovedPart(
            row.kind, row.name, row.public_id, row.position, row.values
        )
        event = event_of(row.declared, "deleted")
        _note(trail, event, row, before=audit_values(row))
        row.delete()
        bump_revision(version, trail.now)
        _follow(trail, row, related.after_removal(row), trail.now)
    return removed


def restore_part(
    actor: Actor, *, version: Version, removed: RemovedPart, now: datetime
) -> Part:
    """Add a part that was removed from this draft again: with its id, at its place.

    What hangs beneath it is found again by the id. Raises Forbidden, NotFound, InvalidFields,
    VersionLocked and Duplicate. Notes `<event of the kind>.created`.
    """
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=version.service, now=now
    ) as trail:
        version = draft_for_update(version)
        kind = kind_of(removed.kind)
        row = _new_part(version, kind, removed.name, removed.values, trail.now)
        row.name, row.public_id = removed.name, removed.public_id
        row.position = removed.position
        _note_added(trail, row, trail.now)
    return row


def _new_part(
    version: Version, kind: Kind, name: str, fields: Mapping[str, object], now: datetime
) -> Part:
    """Return a new part at the end of a draft, not saved yet.

    Raises Invalid if services of this type cannot have the kind, and InvalidFields.
    """
    if not kind.offered_to(version.service.type):
        raise Invalid(
            f"{kind.plural} are for services of type {' and '.join(sorted(kind.services))}. "
            f"This service has type {version.service.type}."
        )
    public_id = new_id()
    values = clean(kind, name, kind.couple(fields))
    last = version.parts.aggregate(last=Max("position"))["last"]
    return Part(
        version=version,
        kind=kind.segment,
        namespace=kind.namespace,
        name=kind.normal_name(name) if kind.named else public_id,
        public_id=public_id,
        position=0 if last is None else last + 1,
        values=values,
        created_at=now,
        updated_at=now,
    )


def _note_added(trail: Trail, row: Part, now: datetime) -> None:
    _save(row, insert=True)
    bump_revision(row.version, now)
    event = event_of(row.declared, "created")
    _note(trail, event, row, after=audit_values(row))
    _follow(trail, row, related.after_change(row, row.name), now)


def apply_changes(
    trail: Trail,
    row: Part,
    changes: Mapping[str, object],
    now: datetime,
    expected_revision: int | None = None,
) -> None:
    """Change a part that is locked for it, and note it. Raises as `change_part` does."""
    if not _change(trail, row, changes, now, expected_revision):
        raise Unchanged


def _change(
    trail: Trail,
    row: Part,
    changes: Mapping[str, object],
    now: datetime,
    expected_revision: int | None = None,
) -> bool:
    """Change a part and note it; return False if its values are the same."""
    kind, before = row.declared, values_of(row)
    name, values = _merged(row, changes)
    row.name, row.values = name, values
    old, new = audit_changes(kind, before, values_of(row))
    if not new:
        return False
    if expected_revision not in {None, row.version.revision}:
        raise StaleRevision(row.version, new, old)
    row.updated_at = now
    _save(row)
    bump_revision(row.version, now)
    _note(trail, event_of(kind, "updated"), row, before=old, after=new)
    _follow(trail, row, related.after_change(row, str(before["name"])), now)
    if "content" in new and row.values.get("dynamic"):
        copies = set_content(row, row.value("content"), now)
        note_content(trail, copies, old, new)
    return True


def _follow(
    trail: Trail, row: Part, others: Mapping[Part, Mapping[str, object]], now: datetime
) -> None:
    """Change other parts of the version as a change of one part requires."""
    for other, values in others.items():
        before = values_of(other)
        other.version = row.version
        other.values = {**other.values, **values}
        other.updated_at = now
        other.save()
        old, new = audit_changes(other.declared, before, values_of(other))
        _note(trail, event_of(other.declared, "updated"), other, before=old, after=new)


def _merged(row: Part, changes: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Return the name and the values of a part with changes, validated."""
    kind = row.declared
    given = dict(kind.couple(changes))
    name = given.pop("name", None)
    if name is None or kind.fixed_name or not kind.named:
        name = row.name
    values = clean(kind, str(name), row.values | given)
    return kind.normal_name(str(name)), values


def _save(row: Part, *, insert: bool = False) -> None:
    try:
        row.save(force_insert=insert)
    except IntegrityError as error:
        raise Duplicate(row.declared.word_of_duplicate, row.name) from error


def part_target(part: Part) -> tuple[str, str, str]:
    """Return a part as the trail names it: its kind, `SERVICE/NUMBER/KIND/NAME`, its name."""
    _, version_id, _ = version_target(part.version)
    place = f"{version_id}/{part.kind}/{part.name}".rstrip("/")
    return part.kind, place, str(part)


def _note(
    trail: Trail,
    event: Event,
    row: Part,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    trail.note(
        event,
        target=part_target(row),
        service_id=row.version.service_id,
        before=before,
        after=after,
    )
