"""Activity in slots: what is split over them, and what counts where."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from products.metering.models import ConnectionUsage
from products.metering.queries.stats import activity_between
from tests.factories import NOW
from tests.products.metering.reports import delivery, make_edge, record, take
from tests.products.one_database import ONE_DATABASE

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)


def microseconds(moment):
    return int(moment.timestamp()) * 1_000_000


def by_start(activity, name):
    """Return one counter by minutes or hours before NOW."""
    return {
        (start - microseconds(NOW)) // 60_000_000: counts[name]
        for (_, _, start), counts in activity.items()
        if counts[name]
    }


@pytest.fixture
def edge(db):
    return make_edge()


def test_a_duration_is_split_over_slots_exactly(edge):
    take(edge, record())  # from 90 seconds before NOW to NOW

    activity = activity_between(
        ["service-1"], NOW - 3 * MINUTE, NOW + MINUTE, slot=MINUTE
    )

    assert by_start(activity, "duration_us") == {-2: 30_000_000, -1: 60_000_000}
    assert by_start(activity, "connections") == {-2: 1}


def test_the_bytes_of_a_connection_count_at_its_last_reading(edge):
    take(edge, record())

    activity = activity_between(
        ["service-1"], NOW - 3 * MINUTE, NOW + MINUTE, slot=MINUTE
    )

    assert by_start(activity, "bytes_to_client") == {0: 5400}
    assert by_start(activity, "bytes_from_client") == {0: 1200}


def test_ordinary_http_counts_in_slots_of_an_hour_or_more(edge):
    take(edge, delivery())

    hours = activity_between(["service-1"], MIDNIGHT, NOW, slot=HOUR)
    minutes = activity_between(["service-1"], NOW - 2 * HOUR, NOW, slot=MINUTE)

    assert by_start(hours, "requests") == {-60: 3}
    assert minutes == {}


def test_a_connection_of_two_months_is_counted_once_and_its_bytes_per_month(edge):
    start = MIDNIGHT.replace(month=10, day=31, hour=23)
    first = {"started_at": start, "month": "2026-10", "duration_us": 3_600_000_000}
    second = {"started_at": start, "month": "2026-11", "duration_us": 7_200_000_000}
    take(edge, record(**first), now=start + HOUR)
    take(edge, record(**second, final=True), now=start + 2 * HOUR)

    found = activity_between(["service-1"], start - HOUR, start + 4 * HOUR, slot=HOUR)

    shown = {
        (at - microseconds(start)) // 3_600_000_000: dict(counts)
        for (_, _, at), counts in found.items()
    }
    assert {at: each.get("duration_us", 0) for at, each in shown.items()} == {
        0: 3_600_000_000,
        1: 3_600_000_000,
        2: 0,
    }
    assert sum(each.get("connections", 0) for each in shown.values()) == 1
    assert (
        sum(
            each["bytes_to_client"]
            for each in shown.values()
            if "bytes_to_client" in each
        )
        == 10_800
    )


def test_ordinary_http_is_read_by_slot(edge):
    for hour in range(24):
        take(edge, delivery(hour=f"2026-11-21T{hour:02}:00:00Z"), now=NOW)

    with CaptureQueriesContext(connection) as asked:
        days = activity_between(["service-1"], NOW - 3 * DAY, NOW, slot=DAY)

    key = ("service-1", "edge-1", microseconds(MIDNIGHT - DAY))
    assert days[key]["requests"] == 24 * 3
    [read] = [each["sql"] for each in asked if "requests" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(read)
        assert len(cursor.fetchall()) == 1


def test_other_services_are_not_counted(edge):
    take(edge, record(), record(2, service="service-2"))

    found = activity_between(["service-2"], MIDNIGHT, MIDNIGHT + DAY, slot=DAY)

    assert {service for service, _, _ in found} == {"service-2"}


def test_without_services_there_is_no_activity(db):
    assert activity_between([], MIDNIGHT, NOW, slot=HOUR) == {}


@ONE_DATABASE
@given(
    spans=st.lists(st.tuples(st.integers(0, 7_200), st.integers(0, 7_200)), max_size=8),
    width=st.sampled_from([MINUTE, HOUR]),
)
def test_the_slots_add_up_to_the_whole(edge_rows, spans, width):
    edge_rows(spans)

    found = activity_between(["s"], MIDNIGHT, MIDNIGHT + 6 * HOUR, slot=width)

    total = sum(counts["duration_us"] for counts in found.values())
    assert total == sum(duration for _, duration in spans) * 1_000_000
    assert sum(counts["connections"] for counts in found.values()) == len(spans)


@pytest.fixture
def edge_rows(db):
    """Return a function that replaces all connections by these starts and durations in seconds."""

    def write(spans):
        ConnectionUsage.objects.all().delete()
        ConnectionUsage.objects.bulk_create(
            ConnectionUsage(
                connection_id=f"c{number}",
                month="2026-11",
                service="s",
                edge="edge-1",
                started_us=microseconds(MIDNIGHT) + start * 1_000_000,
                duration_us=duration * 1_000_000,
                bytes_from_client=1,
                bytes_to_client=2,
                final=True,
                clock_differs=False,
                last_reported_at=NOW,
            )
            for number, (start, duration) in enumerate(spans)
        )

    return write
