"""The kinds of parts that a version can hold: one declaration each, and everything else reads it."""

from products.services.kinds.carried import CARRIED_KINDS
from products.services.kinds.conditions import CONDITION_KINDS
from products.services.kinds.data import DATA_KINDS
from products.services.kinds.fields import Field
from products.services.kinds.kind import Key, Kind
from products.services.kinds.load_balancing import LOAD_BALANCING_KINDS
from products.services.kinds.logging import LOGGING_KINDS
from products.services.kinds.settings import SINGLE_KINDS
from products.services.kinds.vcl import VCL_KINDS

__all__ = ["KINDS", "REFERENCES", "Field", "Key", "Kind"]

# By segment, in the order in which parts are shown and compared.
KINDS: dict[str, Kind] = {
    kind.segment: kind
    for kind in (
        *CARRIED_KINDS,
        *VCL_KINDS,
        *LOGGING_KINDS,
        *CONDITION_KINDS,
        *LOAD_BALANCING_KINDS,
        *DATA_KINDS,
        *SINGLE_KINDS,
    )
}

# By kind: the fields that name other parts of the version, and of which kind these are.
REFERENCES: dict[str, dict[str, str]] = {
    segment: found
    for segment, kind in KINDS.items()
    if (
        found := {each.name: each.refers_to for each in kind.settable if each.refers_to}
    )
}
