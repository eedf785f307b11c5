"""The forecast adds the mean of the last whole days to what is left of each segment."""

from datetime import UTC, datetime, timedelta

from products.billing.bill import Segment, SegmentUsage
from products.billing.forecast import Pace, pace_bounds, with_rest
from products.months import Month, midnights

OCTOBER = Month(2026, 10)
START, END = OCTOBER.starts_at("UTC"), OCTOBER.ends_at("UTC")
DAY = timedelta(days=1)
DAYS = midnights(START, END, "UTC")


def segment(starts_at, ends_at, meter="connection_time"):
    return Segment(
        product="websockets",
        meter=meter,
        plan_id="p",
        starts_at=starts_at,
        ends_at=ends_at,
    )


def test_the_last_seven_whole_days_count():
    assert pace_bounds(DAYS, START, START + DAY * 10 + timedelta(hours=5)) == (
        START + DAY * 3,
        START + DAY * 10,
        7,
    )


def test_days_before_the_product_was_enabled_do_not_count():
    enabled = START + DAY * 8 + timedelta(hours=1)

    assert pace_bounds(DAYS, enabled, START + DAY * 10) == (
        START + DAY * 9,
        START + DAY * 10,
        1,
    )


def test_without_a_whole_day_there_is_no_pace():
    assert pace_bounds(DAYS, START, START + timedelta(hours=23)) is None
    assert pace_bounds(DAYS, START, None) is None


def test_the_rest_of_each_segment_is_added_and_past_ones_stay():
    cut = datetime(2026, 10, 21, tzinfo=UTC)
    pace = Pace(START, START + DAY * 2, 2, minutes=100, bytes=7)
    used = [SegmentUsage(by_service={"s": 40}), SegmentUsage(), SegmentUsage()]
    segments = [
        segment(START, cut),
        segment(cut, END),
        segment(START, END, "bandwidth"),
    ]

    found = with_rest(segments, used, pace, cut - DAY)

    assert [each.quantity for each in found] == [40 + 50, 550, 42]
    assert with_rest(segments, used, pace, END) == used
