"""Keep what is known of edges: when they were heard, how they do. Bookkeeping, so no door."""

from datetime import datetime, timedelta

from products.metering.models import Edge
from products.metering.queries import current_epoch
from products.metering.status import EdgeStatus

# An edge asks every second; a write each time would make the cheapest call a dear one.
NOTED_EVERY = timedelta(seconds=5)


def note_status(edge: Edge, *, status: EdgeStatus | None, now: datetime) -> None:
    """Keep what an edge says of itself when it asks for its table; at most every five seconds."""
    # Not by its last word, for reports come as often and would leave no turn to this.
    if edge.asked_at is not None and now - edge.asked_at < NOTED_EVERY:
        return
    fields: dict[str, object] = {"last_seen_at": now, "asked_at": now}
    if status is not None:
        fields |= _fields_of(status, now)
        reported_at = _reported_at(status, now)
        if reported_at is not None:
            fields["reported_at"] = max(reported_at, edge.reported_at or reported_at)
    Edge.objects.filter(pk=edge.pk).update(**fields)


def note_report(edge: Edge, *, sent_at: datetime, received_at: datetime) -> None:
    """Keep that an edge reported, and how far its clock was from ours.

    A report may be one of many, so how far they reach is for the edge to say.
    """
    Edge.objects.filter(pk=edge.pk).update(
        last_seen_at=received_at,
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
        "records_refused": status.records_refused,
    }
    if status.at is not None:
        fields["clock_offset_ms"] = _offset_ms(status.at, now)
    return fields


def _reported_at(status: EdgeStatus, now: datetime) -> datetime | None:
    """Return until when everything has arrived, by our clock; None where the edge cannot say.

    What it says of another epoch was true of the database before a restore.
    """
    if status.at is None or status.complete_to is None:
        return None
    if status.ingest_epoch != current_epoch():
        return None
    # By both clocks, for the word was under way and either may be wrong.
    ago = max(status.at - status.complete_to, timedelta())
    return min(now - ago, status.complete_to)


def _offset_ms(theirs: datetime, ours: datetime) -> int:
    return (theirs - ours) // timedelta(milliseconds=1)
