"""Periods are derived: dropped and rebuilt they are the same, and the sweep finds what moved."""

from datetime import UTC, datetime, timedelta

import pytest

from products.metering import tasks
from products.metering.commands import rebuild_dirty_periods, rebuild_usage
from products.metering.models import ConnectionUsage, Edge, MovedUsage, UsagePeriod
from products.metering.months import Month
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    make_edge,
    record,
    take,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def periods() -> list[tuple]:
    rows = UsagePeriod.objects.order_by("service", "month")
    return list(
        rows.values_list("service", "month", "minutes", "connections", "digest")
    )


def test_a_period_dropped_and_rebuilt_has_the_same_digest(edge, shop):
    start = datetime(2026, 9, 30, 23, 59, tzinfo=UTC)
    months = [
        record(
            service=shop.pk,
            started_at=start,
            month="2026-11",
            duration_us=60 * 24 * 40 * MINUTE_US,
        )
    ]
    take(edge, *months, record(2, service="nobodys"), delivery(service=shop.pk))
    rebuild_usage(now=NOW)
    before = periods()
    UsagePeriod.objects.all().delete()

    rebuild_usage(now=NOW + timedelta(days=1))

    assert {row[:4] for row in before} == {
        ("nobodys", "2026-11", 2, 1),
        (shop.pk, "2026-09", 1, 1),
        (shop.pk, "2026-10", 31 * 24 * 60, 1),
        (shop.pk, "2026-11", 9 * 24 * 60 - 1, 1),
    }
    assert periods() == before


def test_the_order_in_which_facts_arrive_leaves_the_digest_alone(edge):
    records = [record(n, duration_us=n * MINUTE_US) for n in range(5)]
    take(edge, *records)
    rebuild_usage(now=NOW)
    before = periods()
    ConnectionUsage.objects.all().delete()

    take(edge, *reversed(records))
    rebuild_usage(now=NOW)

    assert periods() == before


@pytest.mark.parametrize(
    "change",
    [
        {"duration_us": 91_000_000},  # within the same minute
        {"bytes_from_client": 1201},
        {"bytes_to_client": 5401},
    ],
)
def test_any_other_fact_makes_another_digest(edge, change):
    take(edge, record())
    rebuild_usage(now=NOW)
    before = periods()

    take(edge, record(**change))
    rebuild_usage(now=NOW)

    assert [row[:4] for row in periods()] == [row[:4] for row in before]
    assert periods()[0][4] != before[0][4]


def test_what_a_connection_does_after_the_month_leaves_its_digest_alone(edge):
    start = datetime(2026, 10, 31, 23, tzinfo=UTC)
    october = record(started_at=start, month="2026-10", duration_us=61 * MINUTE_US)
    take(edge, october)
    rebuild_usage(month=Month(2026, 10), now=NOW)
    before = periods()

    take(edge, record(started_at=start, month="2026-11", duration_us=99 * MINUTE_US))
    rebuild_usage(month=Month(2026, 10), now=NOW)

    assert periods() == before
    assert before[0][:4] == ("service-1", "2026-10", 60, 1)


def test_a_period_without_facts_any_more_is_dropped(edge, shop):
    take(edge, record(service=shop.pk))
    rebuild_usage(now=NOW)
    ConnectionUsage.objects.all().delete()

    rebuilt = rebuild_usage(account_id=shop.account_id, now=NOW)

    assert (rebuilt, periods()) == (0, [])


def test_the_sweep_derives_what_has_moved_however_long_nobody_swept(edge):
    start = datetime(2026, 10, 31, 23, tzinfo=UTC)
    then = NOW - timedelta(days=3)
    take(edge, record(1, service="old", started_at=then), now=then)
    take(edge, record(2, started_at=start, duration_us=61 * MINUTE_US))

    rebuilt = rebuild_dirty_periods(now=NOW)

    assert rebuilt == 3
    assert [row[:3] for row in periods()] == [
        ("old", "2026-11", 2),
        ("service-1", "2026-10", 60),
        ("service-1", "2026-11", 1),
    ]


def test_ordinary_http_alone_makes_a_period_and_moves_it(edge):
    numbers = UsagePeriod.objects.values_list(
        "service", "month", "minutes", "requests", "delivery_bytes_to_client"
    )
    take(edge, delivery())
    rebuild_dirty_periods(now=NOW)
    first = list(numbers.all())
    take(edge, delivery(requests=5, bytes_to_client=80_000), now=NOW + HOUR)

    rebuild_dirty_periods(now=NOW + HOUR)

    assert first == [("service-1", "2026-11", 0, 3, 70_000)]
    assert list(numbers.all()) == [("service-1", "2026-11", 0, 5, 80_000)]


def test_a_month_that_no_report_ever_named_is_derived_too(edge):
    start = datetime(2026, 9, 30, 23, 59, tzinfo=UTC)
    months = {"started_at": start, "duration_us": 60 * 24 * 40 * MINUTE_US}
    take(edge, record(started_at=start, month="2026-09", duration_us=MINUTE_US))

    take(edge, record(**months, month="2026-11"))
    rebuild_dirty_periods(now=NOW)

    assert [row[1:3] for row in periods()] == [
        ("2026-09", 1),
        ("2026-10", 31 * 24 * 60),
        ("2026-11", 9 * 24 * 60 - 1),
    ]


def test_a_period_is_marked_once_for_ten_minutes_and_forgotten_when_derived(edge):
    instants = [NOW + timedelta(minutes=each) for each in (0, 9, 10)]
    records = [record(duration_us=n * MINUTE_US) for n in (1, 2, 3)]
    for instant, each in zip(instants, records, strict=True):
        take(edge, each, now=instant)
    laid = MovedUsage.objects.count()

    early = rebuild_dirty_periods(now=NOW + timedelta(minutes=20))
    kept_for_reports_under_way = MovedUsage.objects.count()
    rebuilt = rebuild_dirty_periods(now=NOW + HOUR)

    assert (laid, early, kept_for_reports_under_way, rebuilt) == (2, 1, 2, 1)
    assert not MovedUsage.objects.exists()
    assert rebuild_dirty_periods(now=NOW + HOUR) == 0


def test_a_report_that_says_nothing_new_moves_nothing(edge):
    take(edge, record(), delivery())
    MovedUsage.objects.all().delete()

    take(edge, record(), delivery())

    assert not MovedUsage.objects.exists()


def test_the_tasks_find_their_work_by_themselves(edge):
    take(edge, record())

    tasks.presume_silent_closed()
    tasks.rebuild_moved_usage()

    assert ConnectionUsage.objects.get().presumed_closed_at is not None
    assert [row[:3] for row in periods()] == [("service-1", "2026-11", 2)]


@pytest.mark.django_db(transaction=True)
def test_a_period_that_cannot_be_derived_holds_up_no_other(caplog):
    edge = make_edge()
    take(edge, record(1), record(2), record(3, service="service-2"))
    impossible = ConnectionUsage.objects.filter(service="service-1")
    impossible.update(bytes_to_client=2**62)

    rebuilt = [rebuild_dirty_periods(now=NOW), rebuild_dirty_periods(now=NOW + HOUR)]
    impossible.update(bytes_to_client=1)
    rebuilt.append(rebuild_dirty_periods(now=NOW + 2 * HOUR))

    assert rebuilt == [1, 1, 1]
    assert [row[:2] for row in periods()] == [
        ("service-1", "2026-11"),
        ("service-2", "2026-11"),
    ]
    told = [(each.message, each.service, each.month) for each in caplog.records]
    assert told == [("A period could not be derived.", "service-1", "2026-11")] * 2
