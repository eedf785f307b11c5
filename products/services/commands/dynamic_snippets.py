"""Change the content of a dynamic snippet, which all versions share, also locked ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.roles import Permission
from products.services.commands.locking import service_for_update
from products.services.models import Part
from products.services.summary import audit_changes, values_of
from products.services.validation import clean


def change_content(actor: Actor, *, part: Part, content: str, now: datetime) -> Part:
    """Change the content in every version, the active one included.

    Raises Forbidden, NotFound and InvalidFields. Notes snippet.content_changed if it changes.
    """
    service = part.version.service
    with recorded_change(actor, Permission.SERVICE_VCL, on=service, now=now) as trail:
        service_for_update(service.pk)
        before = values_of(part)
        values = clean(part.declared, part.name, part.values | {"content": content})
        copies = set_content(part, values["content"], trail.now)
        changed = next(each for each in copies if each.pk == part.pk)
        old, new = audit_changes(part.declared, before, values_of(changed))
        if not new:
            raise Unchanged
        note_content(trail, copies, old, new)
    return changed


def set_content(part: Part, content: object, now: datetime) -> list[Part]:
    """Write the content into the copies of a snippet in all versions, and return them."""
    rows = Part.objects.select_for_update().filter(
        kind=part.kind,
        public_id=part.public_id,
        version__service=part.version.service_id,
    )
    copies = list(rows)
    for row in copies:
        row.values = row.values | {"content": content}
        row.updated_at = now
    Part.objects.bulk_update(copies, ["values", "updated_at"])
    return copies


def note_content(
    trail: Trail,
    copies: Sequence[Part],
    old: Mapping[str, object],
    new: Mapping[str, object],
) -> None:
    """Note that the content changed in all versions."""
    service_id, part = copies[0].version.service_id, copies[0]
    trail.note(
        Event.SNIPPET_CONTENT_CHANGED,
        target=(part.kind, f"{service_id}/{part.kind}/{part.public_id}", part.name),
        service_id=service_id,
        before={"content": old["content"]},
        after={"content": new["content"]},
    )
