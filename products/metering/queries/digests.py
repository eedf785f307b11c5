"""Digests of usage records: the same for the same records, in any order.

A digest is the sum of the digests of the single records, so nothing is sorted or kept in memory.
PostgreSQL writes the records as text itself (COPY), which is several times faster than rows.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BigIntegerField, CharField, F, QuerySet, Value
from django.db.models.functions import Cast, Concat, Least

from products.instants import microseconds_of
from products.metering.models import ConnectionUsage
from products.metering.queries.usage import byte_rows, delivery_rows, last_rows

_MODULUS = 2**256
_CHUNK = 5_000  # rows read from the database at a time


def digest(lines: Iterable[bytes]) -> str:
    """Return the digest of records, each as a line of text."""
    sha256, number = hashlib.sha256, int.from_bytes
    return (
        f"{sum(number(sha256(line).digest(), 'big') for line in lines) % _MODULUS:064x}"
    )


def time_lines(
    services: Sequence[str], starts_at: datetime, ends_at: datetime
) -> Iterator[bytes]:
    """Yield the connections of services within a half-open period, with start and duration.

    What a connection does after the period changes nothing in it.
    """
    until = Value(microseconds_of(ends_at), output_field=BigIntegerField())
    yield from _lines(
        last_rows([*services], starts_at, ends_at),
        "time",
        ("connection_id", "started_us"),
        Least(F("duration_us"), until - F("started_us")),
    )


def byte_lines(services: Sequence[str], month: str) -> Iterator[bytes]:
    """Yield the bytes of each connection of services in a month."""
    yield from _lines(
        byte_rows(services, month),
        "bytes",
        ("connection_id", "bytes_from_client"),
        F("bytes_to_client"),
    )


def delivery_lines(
    services: Sequence[str], starts_at: datetime, ends_at: datetime
) -> Iterator[bytes]:
    """Yield the ordinary HTTP of services by hour."""
    hours = delivery_rows(services, starts_at, ends_at).values_list(
        "edge", "instance", "hour", "requests", "bytes_from_client", "bytes_to_client"
    )
    for edge, instance, hour, *counts in hours.iterator(_CHUNK):
        line = f"delivery {edge} {instance} {microseconds_of(hour)} {counts}"
        yield line.encode()


def _lines(
    rows: "QuerySet[ConnectionUsage]", kind: str, names: tuple[str, str], last: Any
) -> Iterator[bytes]:
    if connection.vendor != "postgresql":
        for values in rows.values_list(*names, last).iterator(_CHUNK):
            yield " ".join((kind, *map(str, values))).encode()
        return
    parts = [Value(kind), *(Cast(F(name), CharField()) for name in names)]
    line = Concat(
        *(each for part in parts for each in (part, Value(" "))),
        Cast(last, CharField()),
        output_field=CharField(),
    )
    try:
        sql, params = rows.values_list(line).query.sql_with_params()
    except EmptyResultSet:  # an account without services
        return
    with connection.cursor() as cursor:
        untyped: Any = cursor
        # An id has no tab or backslash (see `products.edge.contract`), so nothing is escaped.
        with untyped.copy(f"COPY ({sql}) TO STDOUT", params) as copy:
            for row in copy:
                yield bytes(row[:-1])
