"""Activity in slots of time, for statistics: durations, new connections, requests, bytes.

A duration is split over slots exactly. Edges report the bytes of a connection as a total, so they
count in the slot of its last reading. They report ordinary HTTP per hour, so shorter slots have
none of it.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, F, Sum
from django.db.models.expressions import Combinable, Expression

from products.instants import SECOND_US, microseconds_of
from products.metering.models import ConnectionUsage, DeliveryUsage
from products.metering.queries.usage import WholeSeconds, integer, last_rows, number
from products.months import MAX_UTC_OFFSET, Month

HOUR = timedelta(hours=1)
# Service, edge and start of the slot in microseconds since 1970.
SlotKey: TypeAlias = tuple[str, str, int]
Activity: TypeAlias = Mapping[SlotKey, Mapping[str, int]]

# The slots that connections of more than one slot span, and their duration in each.
_SPANNED = """
WITH RECURSIVE slot(start) AS (
  SELECT CAST(%s AS BIGINT) UNION ALL SELECT start + %s FROM slot WHERE start + %s < %s
)
SELECT u.service, u.edge, slot.start,
  SUM((CASE WHEN u.started_us + u.duration_us < slot.start + %s
       THEN u.started_us + u.duration_us ELSE slot.start + %s END)
    - (CASE WHEN u.started_us > slot.start THEN u.started_us ELSE slot.start END)),
  SUM(CASE WHEN u.started_us >= slot.start THEN 1 ELSE 0 END)
FROM slot JOIN ({rows}) u
  ON u.started_us < slot.start + %s AND u.started_us + u.duration_us >= slot.start
GROUP BY u.service, u.edge, slot.start
"""


def activity_between(
    services: list[str], starts_at: datetime, ends_at: datetime, *, slot: timedelta
) -> Activity:
    """Return the activity of services in each slot that has any; a constant number of queries.

    The counters are `duration_us`, `connections`, `bytes_from_client`, `bytes_to_client`,
    `requests`, `http_bytes_from_client` and `http_bytes_to_client`. The bounds are multiples of the
    slot since 1970.
    """
    found: dict[SlotKey, Counter[str]] = {}

    def add(key: SlotKey, **counts: int) -> None:
        found.setdefault(key, Counter()).update(counts)

    width = slot // timedelta(microseconds=1)
    for service, edge, start, duration, count in [
        *_within_one_slot(services, starts_at, ends_at, width),
        *_spanning_slots(services, starts_at, ends_at, width),
    ]:
        add((service, edge, start), duration_us=duration, connections=count)
    for service, edge, start, sent, received in _sizes(
        services, starts_at, ends_at, width
    ):
        add((service, edge, start), bytes_from_client=sent, bytes_to_client=received)
    if slot >= HOUR:
        for service, edge, start, requests, sent, received in _delivery(
            services, starts_at, ends_at, width
        ):
            add(
                (service, edge, start),
                requests=requests,
                http_bytes_from_client=sent,
                http_bytes_to_client=received,
            )
    return found


def _within_one_slot(
    services: list[str], starts_at: datetime, ends_at: datetime, width: int
) -> list[tuple[str, str, int, int, int]]:
    rows = (
        last_rows(services, starts_at, ends_at)
        .annotate(first=_slot_of(F("started_us"), width))
        .filter(first=_slot_of(F("started_us") + F("duration_us"), width))
        .filter(first__gte=microseconds_of(starts_at) // width)
        .values("service", "edge", "first")
        .annotate(duration=Sum("duration_us"), count=Count("pk"))
        .values_list("service", "edge", "first", "duration", "count")
    )
    return [
        (service, edge, int(first) * width, int(duration), count)
        for service, edge, first, duration, count in rows
    ]


def _spanning_slots(
    services: list[str], starts_at: datetime, ends_at: datetime, width: int
) -> list[tuple[str, str, int, int, int]]:
    rows = (
        last_rows(services, starts_at, ends_at)
        .annotate(first=_slot_of(F("started_us"), width))
        .exclude(first=_slot_of(F("started_us") + F("duration_us"), width))
        .values("service", "edge", "started_us", "duration_us")
    )
    try:
        sql, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return []
    start, end = microseconds_of(starts_at), microseconds_of(ends_at)
    with connection.cursor() as cursor:
        cursor.execute(
            _SPANNED.format(rows=sql),
            [start, width, width, end, width, width, *parameters, width],
        )
        return [
            (service, edge, at, int(duration), int(count))
            for service, edge, at, duration, count in cursor.fetchall()
        ]


def _sizes(
    services: list[str], starts_at: datetime, ends_at: datetime, width: int
) -> list[tuple[str, str, int, int, int]]:
    """Return the bytes of each row of a month, at the last reading in that month."""
    start, end = microseconds_of(starts_at), microseconds_of(ends_at)
    rows = (
        ConnectionUsage.objects.filter(
            service__in=services,
            month__gte=str(Month.at(starts_at - MAX_UTC_OFFSET, "UTC")),
        )
        .annotate(ended_us=integer(F("started_us") + F("duration_us")))
        .filter(ended_us__gte=start, ended_us__lt=end)
        .annotate(slot=_slot_of(F("started_us") + F("duration_us"), width))
        .order_by()
        .values("service", "edge", "slot")
        .annotate(Sum("bytes_from_client"), Sum("bytes_to_client"))
        .values_list(
            "service", "edge", "slot", "bytes_from_client__sum", "bytes_to_client__sum"
        )
    )
    return [
        (service, edge, int(slot) * width, int(sent), int(received))
        for service, edge, slot, sent, received in rows
    ]


def _delivery(
    services: list[str], starts_at: datetime, ends_at: datetime, width: int
) -> list[tuple[str, str, int, int, int, int]]:
    rows = (
        DeliveryUsage.objects.filter(
            service__in=services, hour__gte=starts_at, hour__lt=ends_at
        )
        .order_by()
        .annotate(slot=WholeSeconds("hour") / number(width // SECOND_US))
        .values("service", "edge", "slot")
        .annotate(Sum("requests"), Sum("bytes_from_client"), Sum("bytes_to_client"))
        .values_list(
            "service",
            "edge",
            "slot",
            "requests__sum",
            "bytes_from_client__sum",
            "bytes_to_client__sum",
        )
    )
    return [
        (service, edge, slot * width, int(requests), int(sent), int(received))
        for service, edge, slot, requests, sent, received in rows
    ]


def _slot_of(microseconds: Combinable, width: int) -> Expression:
    """Return SQL for the number of the slot that an instant is in, counted from 1970."""
    return integer(integer(microseconds) / number(width))
