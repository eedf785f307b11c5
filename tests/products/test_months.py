"""Months in billing zones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.months import Month, midnights, month_after
from tests.products import vectors

ZONES = st.sampled_from(
    ["UTC", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"]
)
INSTANTS = st.datetimes(
    datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)
)


@pytest.mark.parametrize(
    ("key", "zone", "label"),
    [
        ("UTC 2026-03", "UTC", "2026-03"),
        ("NY 2026-03", "America/New_York", "2026-03"),
        ("NY 2026-11", "America/New_York", "2026-11"),
        ("UTC 2028-02", "UTC", "2028-02"),
    ],
)
def test_v23_a_month_runs_from_local_midnight_to_local_midnight(key, zone, label):
    starts_at, ends_at, hours = vectors.given("V23")[1][key]

    month = Month.read(label)

    assert month.starts_at(zone) == datetime.fromisoformat(starts_at)
    assert month.ends_at(zone) == datetime.fromisoformat(ends_at)
    assert month.ends_at(zone) - month.starts_at(zone) == timedelta(hours=hours)


@given(INSTANTS, ZONES)
def test_every_instant_lies_in_exactly_its_month(instant, zone):
    month = Month.at(instant, zone)

    assert month.starts_at(zone) <= instant < month.ends_at(zone)
    assert month.plus(1).starts_at(zone) == month.ends_at(zone)
    assert Month.at(month.ends_at(zone), zone) == month.plus(1)


@given(INSTANTS, st.integers(-600, 600))
def test_a_month_survives_going_there_and_back(instant, months):
    month = Month.at(instant, "UTC")

    assert month.plus(months).plus(-months) == month
    assert Month.read(str(month)) == month
    assert (month < month.plus(months)) is (months > 0)


def test_december_is_followed_by_january():
    assert str(Month(2026, 12).plus(1)) == "2027-01"
    assert str(Month(2027, 1).plus(-1)) == "2026-12"


@pytest.mark.parametrize("label", ["2026-13", "2026", "", "2026-03-01", "march"])
def test_what_is_no_month_is_refused(label):
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        Month.read(label)


@pytest.mark.parametrize("label", ["0001-12", "9999-01"])
def test_a_month_at_an_end_of_time_is_refused(label):
    with pytest.raises(ValueError, match="out of range"):
        Month.read(label)


@pytest.mark.parametrize(
    "label, following", [("2026-11", "2026-12"), ("2026-12", "2027-01")]
)
def test_the_month_after(label, following):
    assert month_after(label) == following


def test_the_days_of_a_month_are_cut_at_local_midnights():
    march = Month(2026, 3)
    start, end = march.starts_at("Europe/Berlin"), march.ends_at("Europe/Berlin")

    days = midnights(start, end, "Europe/Berlin")

    assert (days[0], days[-1], len(days)) == (start, end, 32)
    lengths = {(high - low).total_seconds() / 3600 for low, high in pairwise(days)}
    assert lengths == {23, 24}
