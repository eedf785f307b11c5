"""Keep what is known of edges: when they were heard, how they do. Bookkeeping, so no door."""

from datetime import datetime, timedelta

from products.metering.models import Edge
from products.metering.status import EdgeStatus

# An edge asks every second; a write each time would make the cheapest call a dear one.
NOTED_EVERY = timedelta(seconds=5)


def note_status(edge: Edge, *, status: EdgeStatus | None, now: datetime) -> None:
    """Keep what an edge says of itself when it asks for its table; at most every five seconds."""
    if edge.last_seen_at is not None and now - edge.last_seen_at < NOTED_EVERY:
        return
    fields: dict[str, object] = {"last_seen_at": now}
    if status is not None:
        fields |= _fields_of(status, now)
    Edge.objects.filter(pk=edge.pk).update(**fields)


def note_report(edge: Edge, *, sent_at: datetime, received_at: datetime) -> None:
    """Keep when an edge reported, and how far its clock was from ours."""
    Edge.objects.filter(pk=edge.pk).update(
        last_seen_at=received_at,
        reported_at=received_at,
        clock_offset_ms=_offset_ms(sent_at, received_at),
    )


def _fields_of(status: EdgeStatus, now: datetime) -> dict[str, object]:
    fields: dict[str, object] = {
        "engine": status.engine,
        "version": status.version,
        "generation": status.generation,
        "open_connections": status.open_connections,
        "spool_waiting_bytes": status.spool_waiting_bytes,
        "spool_is_writable": status.spool_is_writable,
        "log_lines_dropped": status.log_lines_dropped,
    }
    if status.at is not None:
        fields["clock_offset_ms"] = _offset_ms(status.at, now)
    if not status.spool_waiting_bytes:
        fields["reported_at"] = now  # nothing waits, so all it counted is here
    return fields


def _offset_ms(theirs: datetime, ours: datetime) -> int:
    return (theirs - ours) // timedelta(milliseconds=1)
