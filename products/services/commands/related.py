"""What a change of one part requires of other parts of its version."""

from collections.abc import Mapping

from products.services.models import Part

Changes = Mapping[Part, Mapping[str, object]]  # other parts and their new values


def after_change(row: Part, old_name: str) -> Changes:
    """Return what a new or changed part requires of others: a new name, one main VCL file."""
    if row.kind == "backend" and row.name != old_name:
        return _in_directors(row, {old_name: row.name})
    if row.kind == "vcl" and row.value("main"):
        others = _others(row, "vcl")
        return {other: {"main": False} for other in others if other.value("main")}
    return {}


def after_removal(row: Part) -> Changes:
    """Return what a removed part requires of others: directors no longer name a backend."""
    return _in_directors(row, {row.name: ""}) if row.kind == "backend" else {}


def _in_directors(row: Part, names: Mapping[str, str]) -> Changes:
    """Replace names in the lists of directors; "" removes one."""
    found: dict[Part, Mapping[str, object]] = {}
    for director in _others(row, "director"):
        before = backends_of(director)
        after = [new for name in before if (new := names.get(name, name))]
        if after != before:
            found[director] = {"backends": after}
    return found


def backends_of(director: Part) -> list[str]:
    """Return the names of a director's backends."""
    names = director.value("backends")
    return [str(name) for name in names] if isinstance(names, list) else []


def _others(row: Part, kind: str) -> list[Part]:
    rows = Part.objects.filter(version_id=row.version_id, kind=kind)
    return list(rows.exclude(pk=row.pk).order_by("position"))
