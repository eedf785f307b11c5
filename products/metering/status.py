"""How an edge says it does, in the header it sends when it asks for the table; plain Python."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_MAX_VALUE = 2**63 - 1
_MAX_LENGTH = 40


@dataclass(frozen=True, slots=True)
class EdgeStatus:
    """An edge's own account of itself; what it does not say is as for one that has done nothing."""

    engine: str
    version: str
    generation: int
    open_connections: int
    spool_waiting_bytes: int
    spool_is_writable: bool
    log_lines_dropped: int
    records_refused: int
    at: datetime | None  # by its own clock
    complete_to: datetime | None  # by the same; what it wrote before has arrived,
    ingest_epoch: str  # at the portal of this epoch


def read_status(header: str) -> EdgeStatus | None:
    """Read the header; None where it is not a JSON object. A strange value counts as unsaid."""
    try:
        said = json.loads(header)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    return EdgeStatus(
        engine=_word(said, "engine"),
        version=_word(said, "version"),
        generation=_count(said, "generation"),
        open_connections=_count(said, "open"),
        spool_waiting_bytes=_count(said, "spool_waiting_bytes"),
        spool_is_writable=said.get("spool_is_writable") is not False,
        log_lines_dropped=_count(said, "log_lines_dropped"),
        records_refused=_count(said, "records_refused"),
        at=_instant(said.get("at")),
        complete_to=_instant(said.get("complete_to") or None),
        ingest_epoch=_word(said, "ingest_epoch"),
    )


def _word(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value[:_MAX_LENGTH] if isinstance(value, str) and value.isprintable() else ""


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if type(value) is int and 0 <= value <= _MAX_VALUE else 0


def _instant(value: object) -> datetime | None:
    if type(value) not in (int, float):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type] # a number, as above
    except (OverflowError, OSError, ValueError):
        return None
