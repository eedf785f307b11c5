"""The months of an account, whatever its zones."""

import zoneinfo
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from products.calendars import Calendar
from products.months import Month

ZONES = st.sampled_from(sorted(zoneinfo.available_timezones()))
MONTHS = st.builds(Month, st.integers(2026, 2027), st.integers(1, 12))
INSTANTS = st.datetimes(
    datetime(2026, 1, 3), datetime(2027, 12, 29), timezones=st.just(UTC)
)


@st.composite
def calendars(draw):
    calendar = Calendar(draw(ZONES))
    for month, zone in draw(st.lists(st.tuples(MONTHS, ZONES), max_size=4)):
        calendar = calendar.with_change(month, zone)
    return calendar


@given(calendar=calendars(), month=MONTHS)
def test_a_month_starts_where_the_one_before_it_ended(calendar, month):
    assert calendar.starts_at(month.plus(1)) == calendar.ends_at(month)
    assert calendar.ends_at(month) - calendar.starts_at(month) > timedelta(days=26)


@given(calendar=calendars(), instant=INSTANTS)
def test_an_instant_is_in_one_month(calendar, instant):
    month = calendar.month_at(instant)

    assert calendar.starts_at(month) <= instant < calendar.ends_at(month)
    assert calendar.zone_at(instant) == calendar.zone_in(month)


@given(calendar=calendars(), month=MONTHS)
def test_the_days_of_a_month_are_at_most_a_little_more_than_a_day(calendar, month):
    days = calendar.days(month)

    assert (days[0], days[-1]) == (calendar.starts_at(month), calendar.ends_at(month))
    assert days == sorted(set(days))


@given(calendar=calendars(), month=MONTHS, zone=ZONES)
def test_a_change_keeps_the_months_before_it(calendar, month, zone):
    changed = calendar.with_change(month, zone)

    assert changed.ends_at(month.plus(-1)) == calendar.ends_at(month.plus(-1))
    assert changed.zone_in(month) == zone
    assert changed.zone_in(month.plus(-1)) == calendar.zone_in(month.plus(-1))


def test_the_last_change_of_a_month_counts():
    november = Month(2026, 11)
    calendar = Calendar("UTC").with_change(november, "Asia/Tokyo")

    changed = calendar.with_change(november, "Europe/Berlin")
    assert changed.changes_after(Month(2026, 10)) == [("2026-11", "Europe/Berlin")]
    assert changed.changes_after(november) == []
    assert Calendar.read("UTC", [["2026-11", "Asia/Tokyo"]]) == calendar
