"""Periods are derived: dropped and rebuilt they are the same, and the sweep finds what moved."""

from datetime import UTC, datetime, timedelta

import pytest

from products.metering import tasks
from products.metering.commands import rebuild_moved, rebuild_usage
from products.metering.models import ConnectionUsage, Edge, UsagePeriod
from products.metering.months import Month
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    make_edge,
    record,
    take,
)


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


def test_the_sweep_rebuilds_what_reports_have_moved_and_the_month_before(edge):
    start = datetime(2026, 10, 31, 23, tzinfo=UTC)
    take(edge, record(1, service="old"), now=NOW - timedelta(hours=2))
    take(edge, record(2, started_at=start, duration_us=61 * MINUTE_US))

    rebuilt = rebuild_moved(since=NOW - timedelta(hours=1), now=NOW)

    assert rebuilt == 2
    assert [row[:3] for row in periods()] == [
        ("service-1", "2026-10", 60),
        ("service-1", "2026-11", 1),
    ]


def test_the_tasks_find_their_work_by_themselves(edge):
    take(edge, record())

    tasks.presume_silent_closed()
    tasks.rebuild_moved_usage()

    assert ConnectionUsage.objects.get().presumed_closed_at is not None
    assert UsagePeriod.objects.count() == 0
