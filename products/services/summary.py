"""What the trail and a comparison show of a part: plain values without secrets."""

import hashlib
from collections.abc import Mapping

from products.services.kinds import KINDS, Field, Kind
from products.services.kinds.items import ITEM_KINDS
from products.services.models import Part


def values_of(row: Part) -> dict[str, object]:
    """Return everything that a user can set of a part, its name included."""
    values = {each.name: each.value(row.values) for each in row.declared.settable}
    return {"name": row.name} | values


def audit_changes(
    kind: Kind, before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the fields that differ, before and after, as the trail has them."""
    fields = [field for field in after if before.get(field) != after[field]]
    return (
        {field: _noted(kind, before, field) for field in fields},
        {
            field: _noted(kind, after, field, again=bool(before.get(field)))
            for field in fields
        },
    )


def audit_values(row: Part) -> dict[str, object]:
    """Return what the trail has of an added or removed part: what differs from the defaults."""
    values = changed_values(row)
    return {field: _noted(row.declared, values, field) for field in values}


def audit_item(
    part: Part, values: Mapping[str, object], *, again: bool = False
) -> dict[str, object]:
    """Return what the trail has of an item beneath a part: its values, long texts as their hash.

    Not even a hash of a value in a write-only dictionary, because a short one could be guessed.
    """
    kind = ITEM_KINDS[part.kind]
    noted = {field: _noted(kind, values, field) for field in values}
    if part.values.get("write_only"):
        noted["item_value"] = "changed" if again else "set"
    return noted


def field_label(kind: str, name: str) -> str:
    """Return the label of a part's field, by the kind's segment; "" if there is no such field."""
    declared = KINDS.get(kind)
    if declared is None:
        return ""
    if name == "name":
        return declared.name_label
    field = declared.by_name.get(name)
    return field.label if field else ""


def changed_values(row: Part) -> dict[str, object]:
    """Return a part's name, if it has one, and the values that differ from the defaults."""
    name = {"name": row.name} if row.name else {}
    return name | {
        each.name: row.values[each.name]
        for each in row.declared.settable
        if not each.is_default(row.values)
    }


def _noted(
    kind: Kind, values: Mapping[str, object], field: str, *, again: bool = False
) -> object:
    value, declared = values.get(field), kind.by_name.get(field)
    if not value or not isinstance(value, str) or declared is None:
        return value
    if _is_kept_out(kind, declared, values):
        return "changed" if again else "set"
    if declared.lines and declared.name != "comment":
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"{len(value)} characters, SHA-256 {digest}"
    if declared.has_query:
        address, mark, _ = value.partition("?")
        return f"{address}{mark and '?…'}"
    return value


def _is_kept_out(kind: Kind, field: Field, values: Mapping[str, object]) -> bool:
    secret = field.secret or field.private
    return secret or field.name in kind.secret_values(values)
