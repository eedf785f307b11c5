"""Change what hangs beneath a part: entries of an ACL, items of a dictionary, servers of a pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.errors import Invalid, NotFound, for_each
from accounts.ids import new_id
from accounts.roles import Permission
from products.services.commands.locking import Duplicate, service_for_update
from products.services.kinds.items import ITEM_KINDS, ItemKind
from products.services.models import Item, Part
from products.services.queries import items_of
from products.services.summary import audit_item
from products.services.validation import clean

MAX_ITEMS = 1000  # beneath one part, and in one batch; Fastly's limit


class Operation(StrEnum):
    """What happens to one item."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"


class LastItem(Invalid):
    """The part needs one item at least."""

    code = "last_item"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """One operation: on the item called `name`, which a new one without a key does not have."""

    operation: Operation
    name: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


def change_items(
    actor: Actor, *, part: Part, changes: Sequence[ItemChange], now: datetime
) -> list[Item]:
    """Carry out all operations in their order, or none, and return the items; removed ones too.

    The change counts for all versions that have the part. Raises Forbidden, NotFound for an item
    that does not exist, Duplicate for one that does, InvalidFields, LastItem, and Invalid for more
    than MAX_ITEMS. Notes `acl.entries_changed` and its like if something changes.
    """
    kind, service = ITEM_KINDS[part.kind], part.version.service
    with recorded_change(
        actor, Permission.SERVICE_CONFIGURE, on=service, now=now
    ) as trail:
        service_for_update(service.pk)
        if len(changes) > MAX_ITEMS:
            raise Invalid(f"A batch has at most {MAX_ITEMS} operations.")
        items = {row.name: row for row in items_of(part)}
        before = {name: row.values for name, row in items.items()}
        keys = {name: _trail_key(row) for name, row in items.items()}
        touched = for_each(
            changes,
            "Operation",
            lambda change: _apply(kind, part, items, change, trail.now),
        )
        _check_count(kind, items, before)
        after = {name: row.values for name, row in items.items()}
        keys |= {name: _trail_key(row) for name, row in items.items()}
        names = [
            row.name for row in touched if before.get(row.name) != after.get(row.name)
        ]
        if not names:
            raise Unchanged
        _save(part, items, names)
        trail.note(
            Event(kind.changed_event),
            target=(part.kind, f"{service.pk}/{part.kind}/{part.public_id}", part.name),
            service_id=service.pk,
            before={
                keys[name]: audit_item(part, before[name])
                for name in names
                if name in before
            },
            after={
                keys[name]: audit_item(part, after[name], again=name in before)
                for name in names
                if name in after
            },
        )
    return touched


def _trail_key(row: Item) -> str:
    """Return the key of an item in the trail, whose keys are ASCII: its name, or else its id."""
    return row.name if row.name.isascii() else row.public_id


def _apply(
    kind: ItemKind,
    part: Part,
    items: dict[str, Item],
    change: ItemChange,
    now: datetime,
) -> Item:
    row = items.get(change.name)
    if change.operation is Operation.DELETE:
        if row is None:
            raise _not_found(kind, change.name)
        return items.pop(change.name)
    if row is None and change.operation is Operation.UPDATE:
        raise _not_found(kind, change.name)
    if row is not None and change.operation is Operation.CREATE:
        raise Duplicate(kind.segment, change.name)
    given = dict(kind.couple(change.fields))
    if kind.key_field:
        given[kind.key_field] = change.name
    values = clean(kind, "", (row.values if row else {}) | given)
    if row is None:
        public_id = new_id()
        row = Item(
            service=part.version.service,
            part_kind=part.kind,
            part_id=part.public_id,
            public_id=public_id,
            name=change.name if kind.key_field else public_id,
            created_at=now,
        )
        items[row.name] = row
    row.values, row.updated_at = values, now
    return row


def _not_found(kind: ItemKind, name: str) -> NotFound:
    return NotFound(f"There is no {kind.in_sentence} “{name}”.")


def _check_count(
    kind: ItemKind, items: Mapping[str, Item], before: Mapping[str, object]
) -> None:
    if len(items) > MAX_ITEMS:
        raise Invalid(f"There can be at most {MAX_ITEMS} {kind.plural_in_sentence}.")
    if kind.one_needed and before and not items:
        raise LastItem(f"Cannot delete only server in a {kind.part}")


def _save(part: Part, items: Mapping[str, Item], names: Sequence[str]) -> None:
    """Write the changed items: three statements at most, whatever their number."""
    changed = [items[name] for name in dict.fromkeys(names) if name in items]
    added = [row for row in changed if row._state.adding]  # noqa: SLF001 - documented
    kept = [row for row in changed if not row._state.adding]  # noqa: SLF001 - documented
    # An item that was removed and added again is a new row.
    gone = set(names) - {row.name for row in kept}
    items_of(part).filter(name__in=gone).delete()
    Item.objects.bulk_create(added)
    Item.objects.bulk_update(kept, ["values", "updated_at"])
