"""Whole minutes by the worked examples and properties, and the same in SQL as in Python."""

from datetime import datetime, timedelta

import pytest
from django.db.models import F
from hypothesis import example, given
from hypothesis import strategies as st

from products.instants import instant_of
from products.metering.minutes import MINUTE_US, minutes
from products.metering.models import ConnectionUsage
from products.metering.queries.usage import minutes_within, whole_minutes
from tests.factories import NOW
from tests.products import vectors
from tests.products.one_database import ONE_DATABASE

YEAR_US = 365 * 24 * 60 * MINUTE_US
DURATIONS = st.integers(0, YEAR_US)
OFFSETS = st.integers(-YEAR_US, YEAR_US)


def microseconds(start: str, end: str) -> int:
    span = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return span // timedelta(microseconds=1)


def test_v01_each_connection_is_rounded_up_to_whole_minutes():
    given, expect = vectors.given("V01")

    result = [minutes(each) for each in given["durations_us"]]

    assert result == expect["minutes"]
    assert sum(result) == expect["total"]


def test_v02_thousand_connections_are_rounded_one_by_one():
    given, expect = vectors.given("V02")

    one = minutes(given["duration_us_each"])
    summed_first = minutes(given["duration_us_each"] * given["connections"])

    assert one * given["connections"] == expect["minutes"]
    assert summed_first == expect["wrong_if_summed_first"]


def test_v24_summer_time_does_not_change_the_minutes():
    given, expect = vectors.given("V24")

    assert minutes(microseconds(given["start"], given["end"])) == expect["minutes"]


def test_negative_duration_is_refused():
    with pytest.raises(ValueError, match="cannot last -1 microseconds"):
        minutes(-1)


@given(DURATIONS, DURATIONS)
def test_longer_connection_never_has_fewer_minutes(one, other):
    assert (one <= other) <= (minutes(one) <= minutes(other))


@given(DURATIONS)
def test_minutes_cover_the_duration_and_less_than_one_more(duration):
    assert 0 <= minutes(duration) * MINUTE_US - duration < MINUTE_US


@pytest.fixture
def row(db) -> ConnectionUsage:
    return ConnectionUsage.objects.create(
        started_us=0,
        duration_us=0,
        bytes_from_client=0,
        bytes_to_client=0,
        final=False,
        clock_differs=False,
        last_reported_at=NOW,
    )


def write(row: ConnectionUsage, started_us: int, duration_us: int) -> None:
    ConnectionUsage.objects.filter(pk=row.pk).update(
        started_us=started_us, duration_us=duration_us
    )


@ONE_DATABASE
@given(st.integers(0, 2**53))
@example(0)
@example(1)
@example(MINUTE_US - 1)
@example(MINUTE_US)
@example(MINUTE_US + 1)
@example(2**53)
def test_minutes_are_the_same_in_sql(row, duration_us):
    write(row, 0, duration_us)

    found = ConnectionUsage.objects.annotate(
        found=whole_minutes(F("duration_us"))
    ).get()

    assert found.found == minutes(duration_us)


def minutes_until(at_us: int, started_us: int, duration_us: int) -> int:
    return minutes(min(max(at_us - started_us, 0), duration_us))


@ONE_DATABASE
@given(OFFSETS, DURATIONS, OFFSETS, st.integers(1, YEAR_US))
@example(0, 165_000_000, 90_000_000, 1)
@example(0, 165_000_000, 90_000_000, YEAR_US)
@example(0, MINUTE_US, MINUTE_US, 1)
@example(0, 0, 0, 1)
@example(5, MINUTE_US, -YEAR_US, YEAR_US)
def test_minutes_of_a_part_are_the_same_in_sql(row, offset, duration, start, length):
    now_us = 2 * YEAR_US
    # Only connections that started before the end of the period are queried.
    started_us = min(now_us + offset, now_us + start + length - 1)
    bounds = now_us + start, now_us + start + length
    write(row, started_us, duration)

    part = minutes_within(*map(instant_of, bounds))
    found = ConnectionUsage.objects.annotate(found=part).get().found

    before, after = (minutes_until(each, started_us, duration) for each in bounds)
    assert found == after - before
