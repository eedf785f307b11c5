"""Merge usage records into rows, a batch at a time: the larger of each counter counts.

Both databases run the same SQL. The records go into a temporary table, on PostgreSQL by COPY. One
statement merges them. If not all of them counted, another finds those that contradict what is
recorded. The caller opens the transaction.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from products.edge.contract import DeliveryRecord


class ConnectionValues(NamedTuple):
    """A usage record of a connection as the values of a row, in the order of its columns."""

    connection_id: str
    month: str
    service: str
    started_us: int
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool


_NUMBERS = ("duration_us", "bytes_from_client", "bytes_to_client")
_COLUMNS = ConnectionValues._fields
_LISTED = ", ".join(_COLUMNS)
_LINE = ("\t".join(["{}"] * len(_COLUMNS)) + "\n").format
_CREATE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS incoming_usage (
        connection_id text, month text, service text, started_us bigint,
        duration_us bigint, bytes_from_client bigint, bytes_to_client bigint, final boolean
    )"""
# PostgreSQL has no statistics of the temporary table. Without these settings it reads the whole
# table for each batch or compiles the statement. One index look-up per record costs the same
# however many rows there are.
_LOOK_UP_ONE_BY_ONE = """
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_seqscan = off; SET LOCAL jit = off"""
# Rows of one connection in different months have the same service and start, and none has a longer
# duration than the final report.
_MERGE = """
    INSERT INTO metering_connectionusage AS kept ({listed}, edge, clock_differs,
        last_reported_at)
    SELECT {listed}, %s, %s, %s FROM incoming_usage AS i
    WHERE NOT EXISTS (
        SELECT 1 FROM metering_connectionusage AS other
        WHERE other.connection_id = i.connection_id AND other.month <> i.month AND {elsewhere}
    )
    ORDER BY connection_id, month
    ON CONFLICT (connection_id, month) DO UPDATE SET
        duration_us = {greatest}(kept.duration_us, excluded.duration_us),
        bytes_from_client = {greatest}(kept.bytes_from_client, excluded.bytes_from_client),
        bytes_to_client = {greatest}(kept.bytes_to_client, excluded.bytes_to_client),
        final = kept.final OR excluded.final,
        clock_differs = kept.clock_differs OR excluded.clock_differs,
        last_reported_at = {greatest}(kept.last_reported_at, excluded.last_reported_at),
        presumed_closed_at = NULL
    WHERE kept.service = excluded.service AND kept.started_us = excluded.started_us
        AND NOT (kept.final AND {excluded_is_beyond})
        AND NOT (excluded.final AND {kept_is_beyond})
        AND ({excluded_is_beyond} OR (excluded.final AND NOT kept.final))"""
# With the outer join and COALESCE, PostgreSQL starts with the small table. Otherwise it could read
# all of the large one.
_CONTRADICTIONS = """
    SELECT {incoming}, {kept}
    FROM incoming_usage AS i
    LEFT JOIN metering_connectionusage AS other ON other.connection_id = i.connection_id
    WHERE COALESCE((other.month <> i.month AND {elsewhere}) OR (other.month = i.month AND (
        other.service <> i.service OR other.started_us <> i.started_us
        OR (other.final AND {incoming_is_beyond}) OR (i.final AND {other_is_beyond})
    )), false)
    ORDER BY i.connection_id, other.month = i.month"""
_ELSEWHERE = """(
        other.service <> i.service OR other.started_us <> i.started_us
        OR (other.final AND i.duration_us > other.duration_us)
        OR (i.final AND other.duration_us > i.duration_us))"""
_DELIVERY = """
    INSERT INTO metering_deliveryusage AS kept
        (edge, instance, service, hour, requests, bytes_from_client, bytes_to_client)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (edge, instance, service, hour) DO UPDATE SET
        requests = {greatest}(kept.requests, excluded.requests),
        bytes_from_client = {greatest}(kept.bytes_from_client, excluded.bytes_from_client),
        bytes_to_client = {greatest}(kept.bytes_to_client, excluded.bytes_to_client)
    WHERE excluded.requests > kept.requests
        OR excluded.bytes_from_client > kept.bytes_from_client
        OR excluded.bytes_to_client > kept.bytes_to_client"""


@dataclass(frozen=True, slots=True)
class ReportSource:
    """The edge and instance that a batch comes from, and when it was received."""

    edge: str
    instance: str
    received_at: datetime
    clock_differs: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A record that cannot be merged, and the row that it contradicts."""

    reported: ConnectionValues
    recorded: ConnectionValues


@dataclass(frozen=True, slots=True)
class Merged:
    """How many records counted, and which contradict what is recorded; the rest added nothing."""

    counted: int
    contradictions: Sequence[Contradiction]


def merge_connections(
    records: Sequence[ConnectionValues], source: ReportSource
) -> Merged:
    """Merge records in their order; those of one connection count one after the other."""
    counted = 0
    contradictions: list[Contradiction] = []
    received_at = connection.ops.adapt_datetimefield_value(source.received_at)
    with connection.cursor() as cursor:
        for part in _without_duplicates(records):
            _prepare(cursor)
            _fill(cursor, part)
            cursor.execute(
                _sql(_MERGE), [source.edge, source.clock_differs, received_at]
            )
            counted_of_part = cursor.rowcount
            if counted_of_part < len(part):
                contradictions += _contradictions(cursor)
            counted += counted_of_part
    return Merged(counted, contradictions)


def _without_duplicates(
    records: Sequence[ConnectionValues],
) -> Sequence[Sequence[ConnectionValues]]:
    """Split records so that no part has two of one connection; their order stays the same."""
    if len({record.connection_id for record in records}) == len(records):
        return [records] if records else []
    parts: list[list[ConnectionValues]] = []
    seen: Counter[str] = Counter()
    for record in records:
        part = seen[record.connection_id]
        seen[record.connection_id] += 1
        if part == len(parts):
            parts.append([])
        parts[part].append(record)
    return parts


def merge_delivery(records: Sequence[DeliveryRecord], source: ReportSource) -> int:
    """Merge delivery counters in their order; return how many counted."""
    if not records:
        return 0
    hour_of = connection.ops.adapt_datetimefield_value
    rows = [
        (
            source.edge,
            source.instance,
            record.service,
            hour_of(record.hour),
            record.requests,
            record.bytes_from_client,
            record.bytes_to_client,
        )
        for record in records
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_DELIVERY.format(greatest=_greatest()), rows)
        return int(cursor.rowcount)


def _prepare(cursor: CursorWrapper) -> None:
    if connection.vendor == "postgresql":
        cursor.execute(_LOOK_UP_ONE_BY_ONE)
        cursor.execute(f"{_CREATE} ON COMMIT DELETE ROWS")
    else:
        cursor.execute(_CREATE)
    cursor.execute("DELETE FROM incoming_usage")


def _fill(cursor: CursorWrapper, records: Sequence[ConnectionValues]) -> None:
    fill = _copy if connection.vendor == "postgresql" else _insert
    fill(cursor, records)


def _copy(cursor: Any, records: Sequence[ConnectionValues]) -> None:
    # The values contain no tabs or backslashes (see `products.edge.contract`), so nothing is escaped.
    lines = "".join([_LINE(*record) for record in records])
    with cursor.copy(f"COPY incoming_usage ({_LISTED}) FROM STDIN") as copy:
        copy.write(lines)


def _insert(cursor: CursorWrapper, records: Sequence[ConnectionValues]) -> None:
    marks = ", ".join(["%s"] * len(_COLUMNS))
    sql = f"INSERT INTO incoming_usage ({_LISTED}) VALUES ({marks})"  # noqa: S608 - constant names
    cursor.executemany(sql, records)


def _greatest() -> str:
    return "GREATEST" if connection.vendor == "postgresql" else "MAX"


def _beyond(one: str, other: str) -> str:
    tests = (f"{one}.{number} > {other}.{number}" for number in _NUMBERS)
    return f"({' OR '.join(tests)})"


def _sql(template: str) -> str:
    return template.format(
        listed=_LISTED,
        incoming=", ".join(f"i.{column}" for column in _COLUMNS),
        kept=", ".join(f"other.{column}" for column in _COLUMNS),
        greatest=_greatest(),
        elsewhere=_ELSEWHERE,
        excluded_is_beyond=_beyond("excluded", "kept"),
        kept_is_beyond=_beyond("kept", "excluded"),
        incoming_is_beyond=_beyond("i", "other"),
        other_is_beyond=_beyond("other", "i"),
    )


def _contradictions(cursor: CursorWrapper) -> Iterable[Contradiction]:
    cursor.execute(_sql(_CONTRADICTIONS))
    width = len(_COLUMNS)
    pairs = [
        Contradiction(_values(row[:width]), _values(row[width:]))
        for row in cursor.fetchall()
    ]
    # If rows of several months contradict a record, the row of its own month comes last.
    return {pair.reported.connection_id: pair for pair in pairs}.values()


def _values(row: Sequence[Any]) -> ConnectionValues:
    values = ConnectionValues(*row)
    return values._replace(final=bool(values.final))  # SQLite has no booleans
