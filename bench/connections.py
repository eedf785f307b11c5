"""Connections of a month in bulk, on PostgreSQL, for the benchmarks of bills and pages."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from products.instants import microseconds_of
from products.metering.models import ConnectionUsage
from products.months import Month

_STEP = 1_000_000
_FILL = """
INSERT INTO metering_connectionusage (connection_id, month, service, edge, started_us, duration_us,
  bytes_from_client, bytes_to_client, final, clock_differs, last_reported_at)
SELECT 'edge-1.' || %(service)s || '.' || n, %(month)s,
  (%(services)s::text[])[1 + n %% array_length(%(services)s::text[], 1)], 'edge-1',
  %(start)s + (n * 977 %% %(span)s) * CAST(1000000 AS bigint),
  60000000 + (n %% %(seconds)s) * 1000000, n %% 5000, n %% 9000, true, false, now()
FROM generate_series(CAST(%(first)s AS bigint), %(last)s) AS n"""


def fill(
    services: Sequence[str],
    month: Month,
    until: datetime,
    count: int,
    *,
    seconds: int,
) -> None:
    """Save connections of services that start until an instant.

    Each lasts up to `seconds` more than one minute.
    """
    starts_at = month.starts_at("UTC")
    values = {
        "services": list(services),
        "service": services[0],
        "month": str(month),
        "start": microseconds_of(starts_at),
        "span": int((until - starts_at).total_seconds()),
        "seconds": seconds,
    }
    with connection.cursor() as cursor:
        for first in range(0, count, _STEP):
            last = min(first + _STEP, count) - 1
            cursor.execute(_FILL, values | {"first": first, "last": last})
        cursor.execute(f"VACUUM ANALYZE {ConnectionUsage._meta.db_table}")
