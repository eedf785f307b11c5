"""The body of an entry: the fields that are hashed, and the columns that copy them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

VERSION = 1
# The largest difference between two clocks that is not reported.
CLOCK_TOLERANCE = timedelta(seconds=2)
# The columns of AuditEvent that copy the body, in the order in which `copies` returns them.
COPIED = (
    "account_id",
    "sequence",
    "at",
    "action",
    "actor_type",
    "actor_id",
    "actor_label",
    "target_type",
    "target_id",
    "target_label",
    "product",
    "service_id",
    "outcome",
    "interface",
    "request_id",
)


def timestamp(moment: datetime) -> str:
    """Return a time as the body contains it: UTC, six decimals of a second, Z.

    Raises ValueError for a time without a time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone")
    return (
        moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def copies(body: Mapping[str, object]) -> tuple[object, ...]:
    """Return the values of the columns in COPIED, `at` as text; None if the body lacks a field."""
    actor, target = _part(body, "actor"), _part(body, "target")
    return (
        body.get("account"),
        body.get("seq"),
        body.get("at"),
        body.get("action"),
        actor.get("type"),
        actor.get("id"),
        actor.get("label"),
        target.get("type"),
        target.get("id"),
        target.get("label"),
        body.get("product"),
        body.get("service_id"),
        body.get("outcome"),
        body.get("interface"),
        body.get("request_id"),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One changed field as text; "" if it did not exist before or after."""

    field: str
    before: str
    after: str


def changes(body: Mapping[str, object]) -> tuple[Change, ...]:
    """Return the changed fields, by name."""
    before, after = _part(body, "before"), _part(body, "after")
    return tuple(
        Change(field, _as_text(before, field), _as_text(after, field))
        for field in sorted(before.keys() | after.keys())
    )


def _as_text(values: Mapping[str, object], field: str) -> str:
    if field not in values:
        return ""
    value = values[field]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def commitments(body: Mapping[str, object]) -> Mapping[str, object]:
    """Return the body's commitments to personal data, by kind."""
    return _part(body, "pii")


def wrong_clock(body: Mapping[str, object]) -> datetime | None:
    """Return what the clock said when the entry was written, if it was behind the entry before.

    None if it was not, or by no more than the tolerance. The entry's own time is never earlier than
    that of the entry before.
    """
    try:
        read = datetime.fromisoformat(str(body["clock"]))
        at = datetime.fromisoformat(str(body["at"]))
    except (KeyError, ValueError):
        return None
    return read if at - read > CLOCK_TOLERANCE else None


def _part(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = body.get(name)
    return part if isinstance(part, dict) else {}
