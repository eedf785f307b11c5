"""What a change of one part requires of other parts of its version."""

from collections.abc import Mapping

from products.services.kinds import REFERENCES
from products.services.models import Part

Changes = Mapping[Part, Mapping[str, object]]  # other parts and their new values


def after_change(row: Part, old_name: str) -> Changes:
    """Return what a new or changed part requires of others: its new name, one main VCL file."""
    changed = _naming(row, {old_name: row.name}) if row.name != old_name else {}
    if row.kind == "vcl" and row.value("main"):
        others = _others(row, "vcl")
        return {other: {"main": False} for other in others if other.value("main")}
    return changed


def after_removal(row: Part) -> Changes:
    """Return what a removed part requires of others: directors no longer name a backend."""
    return _naming(row, {row.name: ""}) if row.kind == "backend" else {}


def _naming(row: Part, names: Mapping[str, str]) -> Changes:
    """Replace names in the fields that name parts of this kind; "" removes one of a list."""
    found: dict[Part, dict[str, object]] = {}
    fields = {
        kind: [field for field, named in references.items() if named == row.kind]
        for kind, references in REFERENCES.items()
    }
    kinds = [kind for kind, named_by in fields.items() if named_by]
    for other in _others(row, *kinds) if kinds else ():
        for field in fields[other.kind]:
            before = other.values.get(field)
            after = _replaced(before, names)
            if after != before:
                found.setdefault(other, {})[field] = after
    return found


def _replaced(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [new for name in value if (new := names.get(name, name))]
    return names.get(value, value) if isinstance(value, str) else value


def backends_of(director: Part) -> list[str]:
    """Return the names of a director's backends."""
    names = director.value("backends")
    return [str(name) for name in names] if isinstance(names, list) else []


def _others(row: Part, *kinds: str) -> list[Part]:
    rows = Part.objects.filter(version_id=row.version_id, kind__in=kinds)
    return list(rows.exclude(pk=row.pk).order_by("position"))
