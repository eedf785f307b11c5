"""What differs between two versions, part by part."""

from collections.abc import Iterator
from dataclasses import dataclass

from products.services.kinds import KINDS, Kind
from products.services.models import Part, Version
from products.services.summary import changed_values, values_of


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs between two versions; None if the part is missing.

    For a part that only one version has: its name and each field without its default value.
    """

    kind: str
    name: str
    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part that differs between two versions; `old` or `new` is None if one does not have it."""

    kind: Kind
    old: Part | None
    new: Part | None
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The parts that differ between two versions, and how many are the same."""

    parts: tuple[PartChange, ...]
    unchanged: int

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """The fields that differ, of all parts."""
        return tuple(field for part in self.parts for field in part.fields)


def compare(a: Version, b: Version) -> Comparison:
    """Return the differences from version `a` to version `b`, by kind, name and field: one query.

    A renamed part counts as one removed and one added. Secrets are never shown: they are "set" or
    "changed".
    """
    sides: dict[int, dict[tuple[str, str], Part]] = {a.pk: {}, b.pk: {}}
    for row in Part.objects.filter(version__in=[a, b]):
        sides[row.version_id][row.kind, row.name] = row
    olds, news = sides[a.pk], sides[b.pk]
    found: list[PartChange] = []
    for segment, kind in KINDS.items():
        names = {name for each, name in olds.keys() | news.keys() if each == segment}
        for name in sorted(names):
            old, new = olds.get((segment, name)), news.get((segment, name))
            if fields := tuple(_differences(kind, old, new)):
                found.append(PartChange(kind, old, new, fields))
    return Comparison(tuple(found), len(olds.keys() | news.keys()) - len(found))


def _differences(
    kind: Kind, old: Part | None, new: Part | None
) -> Iterator[FieldChange]:
    alone = old is None or new is None
    before, after = _shown_values(old, alone=alone), _shown_values(new, alone=alone)
    name = str(new or old)
    for field in ("name", *(each.name for each in kind.settable)):
        one, other = before.get(field), after.get(field)
        if one == other:
            continue
        if field != "name" and kind.by_name[field].secret:
            one, other = _hidden(one), _hidden(other, again=bool(one))
        yield FieldChange(kind.segment, name, field, one, other)


def _shown_values(row: Part | None, *, alone: bool) -> dict[str, object]:
    """Return a part's values; if only one version has it, those that differ from defaults."""
    if row is None:
        return {}
    return changed_values(row) if alone else values_of(row)


def _hidden(value: object, *, again: bool = False) -> str | None:
    if not value:
        return None
    return "changed" if again else "set"
