"""What the trail and a comparison show of a part: plain values without secrets."""

import hashlib
import re
from collections.abc import Mapping

from products.protocol import header_name
from products.services.models import Part

# Never shown after it is set.
SECRET = frozenset({"ssl_client_key"})
# A certificate is often pasted together with its key, and the trail is kept forever.
_KEPT_OUT_OF_THE_TRAIL = SECRET | {"ssl_client_cert", "client_cert", "share_key"}
_LONG = frozenset({"content", "ssl_ca_cert"})
_SECRET_HEADER = re.compile(
    "authorization|cookie|token|secret|password|signature|credential|key", re.IGNORECASE
)


def values_of(row: Part) -> dict[str, object]:
    """Return everything that a user can set of a part, its name included."""
    return {field: getattr(row, field) for field in ("name", *row.FIELDS)}


def audit_changes(
    kind: str, before: Mapping[str, object], after: Mapping[str, object]
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


def audit_values(kind: str, row: Part) -> dict[str, object]:
    """Return what the trail has of an added or removed part: what differs from the defaults."""
    values = values_of(row)
    return {
        field: _noted(kind, values, field)
        for field in values
        if field == "name" or not is_default(row, field)
    }


def is_default(row: Part, field: str) -> bool:
    """Tell whether a part's field has the model's default value."""
    value = getattr(row, field)
    if value in (None, "", []):
        return True
    return bool(value == row.column(field).get_default())


def _noted(
    kind: str, values: Mapping[str, object], field: str, *, again: bool = False
) -> object:
    value = values.get(field)
    if not value or not isinstance(value, str):
        return value
    if field in _KEPT_OUT_OF_THE_TRAIL or _is_secret_value(kind, values, field):
        return "changed" if again else "set"
    if field in _LONG:
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"{len(value)} characters, SHA-256 {digest}"
    if kind == "log_endpoint" and field == "address":
        address, mark, _ = value.partition("?")
        return f"{address}{mark and '?…'}"
    return value


def _is_secret_value(kind: str, values: Mapping[str, object], field: str) -> bool:
    """Tell whether a header rule's value is a credential."""
    if kind != "header" or field not in {"src", "substitution"}:
        return False
    return _SECRET_HEADER.search(header_name(str(values.get("dst")))) is not None
