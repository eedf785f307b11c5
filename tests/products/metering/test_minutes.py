"""Whole minutes of connections and their parts, by the worked examples and by properties."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.metering.minutes import (
    increment,
    minutes,
    minutes_by_cuts,
    minutes_of_parts,
    minutes_within,
)
from tests.products import vectors

DURATIONS = st.integers(0, 400 * 24 * 3600 * 10**6)
CUTS = st.lists(st.integers(-(10**9), 400 * 24 * 3600 * 10**6), max_size=8).map(sorted)
START = datetime(2026, 3, 31, 23, 58, 30, tzinfo=UTC)


def microseconds(start, end):
    return (moment(end) - moment(start)) // timedelta(microseconds=1)


def moment(text):
    return datetime.fromisoformat(text)


def parts(given, *cuts):
    duration = microseconds(given["start"], given["end"])
    return minutes_by_cuts(moment(given["start"]), duration, list(map(moment, cuts)))


def test_v01_each_connection_is_rounded_up_to_whole_minutes():
    given, expect = vectors.given("V01")

    result = [minutes(each) for each in given["durations_us"]]

    assert result == expect["minutes"]
    assert sum(result) == expect["total"]


def test_v02_a_thousand_connections_are_rounded_one_by_one():
    given, expect = vectors.given("V02")

    one = minutes(given["duration_us_each"])
    summed_first = minutes(given["duration_us_each"] * given["connections"])

    assert one * given["connections"] == expect["minutes"]
    assert summed_first == expect["wrong_if_summed_first"]


def test_v03_a_connection_over_the_months_end_is_split_and_not_counted_twice():
    given, expect = vectors.given("V03")

    assert parts(given, given["boundary"]) == (expect["march"], expect["april"])
    assert expect["march"] + expect["april"] == expect["total_minutes"]


def test_v04_a_connection_over_three_months_keeps_its_last_microsecond():
    given, expect = vectors.given("V04")

    result = parts(given, *given["boundaries"])

    assert result == (expect["jan"], expect["feb"], expect["mar"])
    assert sum(result) == expect["total"]


def test_v05_the_one_minute_belongs_to_the_month_it_began_in():
    given, expect = vectors.given("V05")

    assert parts(given, given["boundary"]) == (expect["march"], expect["april"])


def test_v06_repeated_and_late_reports_add_nothing():
    given, expect = vectors.given("V06")
    known = [0, *accumulate(given["cumulative_us"], max)]

    added = list(map(increment, known, given["cumulative_us"]))

    assert added == expect["increments_in_arrival_order"]
    assert minutes(known[-1]) == sum(added) == expect["minutes"]


def test_v13_the_minute_of_a_price_cut_belongs_to_the_part_before_it():
    given, expect = vectors.given("V13")

    result = parts(given, given["cut"])

    assert result == (expect["before"], expect["after"])
    assert sum(result) == expect["total"]


def test_v14_a_drained_connection_is_billed_until_it_is_cut():
    given, expect = vectors.given("V14")
    cut = given | {"end": given["deadline"]}

    before, after = parts(cut, given["disabled"])

    assert before + after == expect["billed_minutes"]
    assert after == expect["of_which_after_disable"]


def test_v24_the_clocks_of_a_summer_time_do_not_matter():
    given, expect = vectors.given("V24")

    assert minutes(microseconds(given["start"], given["end"])) == expect["minutes"]


def test_a_negative_duration_is_refused():
    with pytest.raises(ValueError, match="cannot last -1 microseconds"):
        minutes(-1)


def test_cuts_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        minutes_of_parts(10, [2, 1])


@pytest.mark.parametrize(
    ("starts_in", "ends_in", "expected"),
    [(-90, 0, 0), (0, 90, 2), (90, 300, 1), (165, 300, 0), (-90, 300, 3)],
)
def test_a_period_holds_the_minutes_between_its_bounds(starts_in, ends_in, expected):
    result = minutes_within(
        START,
        165_000_000,
        starts_at=START + timedelta(seconds=starts_in),
        ends_at=START + timedelta(seconds=ends_in),
    )

    assert result == expected


@given(DURATIONS, CUTS)
def test_the_parts_add_up_to_the_whole_under_any_cuts(duration, cuts):
    result = minutes_of_parts(duration, cuts)

    assert sum(result) == minutes(duration)
    assert len(result) == len(cuts) + 1
    assert min(result) >= 0


@given(DURATIONS, DURATIONS)
def test_a_longer_connection_never_has_fewer_minutes(one, other):
    assert (one <= other) <= (minutes(one) <= minutes(other))


@given(DURATIONS)
def test_minutes_cover_the_duration_and_less_than_one_more(duration):
    assert 0 <= minutes(duration) * 60_000_000 - duration < 60_000_000


@given(st.lists(DURATIONS, min_size=1, max_size=12))
def test_increments_in_any_order_add_up_to_the_largest_report(reports):
    known = [max(reports[:count], default=0) for count in range(len(reports))]

    added = [
        increment(before, report) for before, report in zip(known, reports, strict=True)
    ]

    assert sum(added) == minutes(max(reports))
