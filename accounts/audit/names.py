"""The names of what entries refer to by an id: services, products, fields of parts.

The apps that have them register a function at start, so that this module knows no app above it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from accounts.audit.models import AuditEvent
from accounts.ids import LENGTH

Lookup = Callable[[Collection[str]], Mapping[str, str]]
FieldLabel = Callable[[str, str], str]


class Named(StrEnum):
    """What has names."""

    SERVICE = "service"
    PRODUCT = "product"


_lookups: Final[dict[Named, Lookup]] = {}
_field_labels: Final[list[FieldLabel]] = []


def register(kind: Named, lookup: Lookup) -> None:
    """Name the function that returns names by id; called once, when the app that has them is ready."""
    _lookups[kind] = lookup


def register_field_labels(label_of: FieldLabel) -> None:
    """Name the function that returns the label of a field by a part's kind and the field's name.

    It returns "" for what is not a part.
    """
    _field_labels[:] = [label_of]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of services by id and of products by slug."""

    services: Mapping[str, str] = field(default_factory=dict)
    products: Mapping[str, str] = field(default_factory=dict)


NO_NAMES: Final = Names()


def names_in(entries: Iterable[AuditEvent]) -> Names:
    """Return the names of the services and products of entries, also deleted ones: two queries.

    Checks no permission: the caller has checked that the actor may read the entries.
    """
    entries = list(entries)
    services = {each for entry in entries for each in _service_ids(entry)}
    products = {entry.product for entry in entries if entry.product}
    return Names(_look_up(Named.SERVICE, services), _look_up(Named.PRODUCT, products))


def product_names(slugs: Collection[str]) -> Mapping[str, str]:
    """Return the names of the products with some slugs; those without are left out."""
    return _look_up(Named.PRODUCT, slugs)


def field_label(kind: str, name: str) -> str:
    """Return the label of a part's field; "" if it has none."""
    return next((label_of(kind, name) for label_of in _field_labels), "")


def is_id(text: str) -> bool:
    """Return whether a key of a change can be the id of a service."""
    return len(text) == LENGTH and text.isascii() and text.isalnum()


def _look_up(kind: Named, ids: Collection[str]) -> Mapping[str, str]:
    if not ids or kind not in _lookups:
        return {}
    return _lookups[kind](sorted(ids))


def _service_ids(entry: AuditEvent) -> Iterator[str]:
    if entry.service_id:
        yield entry.service_id
    for side in ("before", "after"):
        values = entry.body.get(side)
        if isinstance(values, dict):
            yield from filter(is_id, values)
