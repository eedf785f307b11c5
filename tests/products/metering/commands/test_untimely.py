"""Reports of a time at which they cannot count are kept for a person: late, to come, before, after."""

from datetime import UTC, datetime, timedelta

import pytest

from products.metering.commands import resolve_conflict
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageConflict,
)
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    take,
)

OCTOBER = {"month": "2026-10", "started_at": datetime(2026, 10, 31, 12, tzinfo=UTC)}
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 24 * 60 * MINUTE_US


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


@pytest.mark.parametrize(
    "received_at,is_late",
    [
        (datetime(2026, 12, 6, tzinfo=UTC), False),
        (datetime(2026, 12, 6, 0, 0, 0, 1, tzinfo=UTC), True),
    ],
)
def test_reports_are_taken_until_35_days_after_the_end_of_their_month(
    edge, received_at, is_late
):
    # Of a connection that had been open for years.
    start = datetime(2024, 2, 1, tzinfo=UTC)
    lasted = datetime(2026, 10, 31, tzinfo=UTC) - start
    old = {"started_at": start, "duration_us": lasted // MICROSECOND}

    answer = take(
        edge,
        record(**old, month="2026-10"),
        delivery(hour="2026-10-31T23:00:00Z"),
        now=received_at,
    )

    assert (answer.accepted, len(answer.conflicts)) == ((0, 2) if is_late else (2, 0))
    assert list(
        UsageConflict.objects.order_by("kind").values_list("kind", "month", "reason")
    ) == ([(k, "2026-10", "late") for k in ("connection", "delivery")] * is_late)


def test_the_month_s_end_is_that_of_the_account_s_zone(edge, shop):
    shop.account.billing_zone = "America/New_York"  # four hours behind at October's end
    shop.account.save()
    old = OCTOBER | {"service": shop.pk}
    last = datetime(2026, 12, 6, 4, tzinfo=UTC)

    in_time = take(edge, record(**old), now=last)
    late = take(edge, record(2, **old), now=last + timedelta(microseconds=1))

    assert (outcome(in_time)[0], outcome(late)[2]) == (1, [record(2).id])


def test_a_late_report_that_says_nothing_new_is_no_conflict(edge):
    hour = {"hour": "2026-10-31T23:00:00Z"}
    take(edge, record(**OCTOBER), delivery(**hour))

    answer = take(
        edge, record(**OCTOBER), delivery(**hour), now=NOW + timedelta(days=40)
    )

    assert outcome(answer) == (0, 2, [])
    assert not UsageConflict.objects.exists()


@pytest.mark.parametrize(
    "billing_zone,month,started_at,reason",
    [
        # At 06:00 of 30 November December begins in 18 hours, and in Samoa in 29.
        ("UTC", "2026-12", DECEMBER - timedelta(days=1), None),
        ("Pacific/Pago_Pago", "2026-12", DECEMBER - timedelta(days=1), "future"),
        ("UTC", "2099-01", DECEMBER - timedelta(days=1), "future"),
        ("UTC", "2026-11", DECEMBER + timedelta(days=1), "future"),
        # October ended at midnight; a day is given for a table of before.
        ("UTC", "2026-10", datetime(2026, 11, 2, tzinfo=UTC), None),
        ("UTC", "2026-10", datetime(2026, 11, 2, 0, 0, 1, tzinfo=UTC), "before_start"),
        ("Asia/Tokyo", "2026-10", datetime(2026, 11, 1, 16, tzinfo=UTC), "before_start"),
        ("America/New_York", "2026-10", datetime(2026, 11, 2, 3, tzinfo=UTC), None),
        # A clock that is three months behind; and one that is a day behind in November's first hour.
        ("UTC", "2026-11", datetime(2026, 8, 10, tzinfo=UTC), "after_end"),
        ("UTC", "2026-11", datetime(2026, 10, 31, tzinfo=UTC) - MICROSECOND, None),
        ("UTC", "2026-11", datetime(2026, 10, 31, tzinfo=UTC) - 2 * MICROSECOND, "after_end"),
        ("America/New_York", "2026-11", datetime(2026, 10, 31, 3, tzinfo=UTC), "after_end"),
        ("Asia/Tokyo", "2026-11", datetime(2026, 10, 30, 16, tzinfo=UTC), None),
    ],
)  # fmt: skip
def test_a_month_that_cannot_be_the_connection_s_is_kept_for_a_person(
    edge, shop, billing_zone, month, started_at, reason
):
    shop.account.billing_zone = billing_zone
    shop.account.save()
    theirs = record(service=shop.pk, month=month, started_at=started_at, duration_us=1)

    answer = take(edge, theirs, record(2), now=DECEMBER - timedelta(hours=18))

    found = list(UsageConflict.objects.values_list("record_id", "month", "reason"))
    assert found == [(theirs.id, month, reason)] * (reason is not None)
    assert outcome(answer) == (2 - len(found), 0, [theirs.id] * len(found))


def test_a_connection_cannot_have_lasted_until_a_time_to_come(edge):
    theirs = record(duration_us=3 * DAY_US)

    answer = take(edge, theirs)

    assert outcome(answer) == (0, 0, [theirs.id])
    assert UsageConflict.objects.get().reason == "future"
    assert kept() == []


def test_hours_to_come_are_kept_for_a_person(edge):
    tomorrow, later = "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"

    answer = take(edge, delivery(hour=tomorrow), delivery(hour=later))

    row = UsageConflict.objects.get()
    assert (answer.accepted, len(answer.conflicts)) == (1, 1)
    assert (row.kind, row.month, row.reason) == ("delivery", "2026-11", "future")
    assert row.theirs["hour"] == "2026-11-23T13:00:00+00:00"


def test_what_was_refused_for_its_time_alone_counts_when_a_person_says_so(edge, ada):
    take(edge, record(month="2026-10"))
    conflict = UsageConflict.objects.get()

    resolve_conflict(ada, conflict=conflict, keep="theirs", reason="Yes.", now=NOW)

    assert [(row[1], row[4]) for row in kept()] == [("2026-10", 90_000_000)]


def test_counting_what_came_late_keeps_the_larger_counters(edge, ada):
    at = {"hour": "2026-10-31T23:00:00Z"}
    take(
        edge,
        record(**OCTOBER, duration_us=60, bytes_to_client=1),
        delivery(**at, requests=3),
    )
    take(
        edge,
        record(**OCTOBER, duration_us=50, bytes_to_client=9),
        delivery(**at, requests=4),
        now=NOW + timedelta(days=40),
    )

    for conflict in UsageConflict.objects.all():
        resolve_conflict(ada, conflict=conflict, keep="theirs", reason="Yes.", now=NOW)

    row, hours = ConnectionUsage.objects.get(), DeliveryUsage.objects.get()
    assert (row.duration_us, row.bytes_to_client) == (60, 9)
    assert (hours.requests, hours.bytes_to_client) == (4, 70_000)
