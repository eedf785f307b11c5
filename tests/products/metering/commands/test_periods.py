"""Periods: derived from usage records, marked as stale, rebuilt; and silent connections."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from products.metering import tasks
from products.metering.commands import periods as period_commands
from products.metering.commands import (
    presume_closed,
    rebuild_stale_periods,
    rebuild_usage,
)
from products.metering.models import ConnectionUsage, Edge, UsagePeriod
from products.metering.queries import differences
from products.months import Month
from tests.concurrency import together
from tests.factories import NOW
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    make_edge,
    record,
    take,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CLOSED = Month(2026, 11).closes_at("UTC")
SILENT = NOW + timedelta(minutes=5)
# SQLite locks no rows, but a transaction keeps all other writers out.
IN_FLIGHT: dict[str, Any] = {"postgresql": transaction.atomic, "sqlite": nullcontext}


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def periods() -> list[tuple]:
    rows = UsagePeriod.objects.order_by("service", "month")
    return list(
        rows.values_list("service", "month", "minutes", "connections", "digest")
    )


def test_deleted_and_rebuilt_period_has_the_same_digest(edge, shop):
    start = datetime(2026, 9, 30, 23, 59, tzinfo=UTC)
    months = [
        record(
            service=shop.pk,
            started_at=start,
            month="2026-11",
            duration_us=60 * 24 * 40 * MINUTE_US,
        )
    ]
    take(edge, *months, record(2, service="unknown"), delivery(service=shop.pk))
    rebuild_usage(now=CLOSED)
    before = periods()
    UsagePeriod.objects.all().delete()

    rebuild_usage(now=CLOSED + HOUR)

    assert {row[:4] for row in before} == {
        ("unknown", "2026-11", 2, 1),
        (shop.pk, "2026-09", 1, 1),
        (shop.pk, "2026-10", 31 * 24 * 60, 1),
        (shop.pk, "2026-11", 9 * 24 * 60 - 1, 1),
    }
    assert periods() == before


def test_order_of_records_does_not_change_the_digest(edge):
    records = [record(n, duration_us=n * MINUTE_US) for n in range(5)]
    take(edge, *records)
    rebuild_usage(now=CLOSED)
    before = periods()
    ConnectionUsage.objects.all().delete()

    take(edge, *reversed(records))
    rebuild_usage(now=CLOSED)

    assert periods() == before


@pytest.mark.parametrize(
    "change",
    [
        {"duration_us": 91_000_000},  # within the same minute
        {"bytes_from_client": 1201},
        {"bytes_to_client": 5401},
    ],
)
def test_changed_record_changes_the_digest(edge, change):
    take(edge, record())
    rebuild_usage(now=CLOSED)
    before = periods()

    take(edge, record(**change))
    rebuild_usage(now=CLOSED)

    assert [row[:4] for row in periods()] == [row[:4] for row in before]
    assert periods()[0][4] != before[0][4]


def test_connection_after_the_month_does_not_change_its_digest(edge):
    start = datetime(2026, 10, 31, 23, tzinfo=UTC)
    october = record(started_at=start, month="2026-10", duration_us=61 * MINUTE_US)
    take(edge, october)
    rebuild_usage(month=Month(2026, 10), now=CLOSED)
    before = periods()

    take(edge, record(started_at=start, month="2026-11", duration_us=99 * MINUTE_US))
    rebuild_usage(month=Month(2026, 10), now=CLOSED)

    assert periods() == before
    assert before[0][:4] == ("service-1", "2026-10", 60, 1)


def test_a_period_has_a_digest_once_it_is_closed(edge):
    take(edge, record())
    rebuild_usage(now=CLOSED - HOUR)
    while_open = periods()

    rebuild_stale_periods(now=CLOSED)

    assert while_open[0][4] == ""
    assert len(periods()[0][4]) == 64
    assert list(differences()) == []


def test_period_whose_usage_records_are_gone_has_no_usage(edge, shop):
    take(edge, record(service=shop.pk))
    rebuild_usage(now=NOW)
    ConnectionUsage.objects.all().delete()

    rebuilt = rebuild_usage(account_id=shop.account_id, now=NOW + HOUR)

    assert (rebuilt, periods()) == (0, [(shop.pk, "2026-11", 0, 0, "0" * 64)])
    assert list(differences()) == []


def test_sweep_derives_stale_periods_however_old_the_reports_are(edge):
    start = datetime(2026, 10, 31, 23, tzinfo=UTC)
    then = NOW - timedelta(days=3)
    take(edge, record(1, service="old", started_at=then), now=then)
    take(edge, record(2, started_at=start, duration_us=61 * MINUTE_US))

    rebuilt = rebuild_stale_periods(now=NOW)

    assert rebuilt == 3
    assert [row[:3] for row in periods()] == [
        ("old", "2026-11", 2),
        ("service-1", "2026-10", 60),
        ("service-1", "2026-11", 1),
    ]


def test_ordinary_http_creates_a_period_and_makes_it_stale(edge):
    numbers = UsagePeriod.objects.values_list(
        "service", "month", "minutes", "requests", "delivery_bytes_to_client"
    )
    take(edge, delivery())
    rebuild_stale_periods(now=NOW)
    first = list(numbers.all())
    take(edge, delivery(requests=5, bytes_to_client=80_000), now=NOW + HOUR)

    rebuild_stale_periods(now=NOW + HOUR)

    assert first == [("service-1", "2026-11", 0, 3, 70_000)]
    assert list(numbers.all()) == [("service-1", "2026-11", 0, 5, 80_000)]


def test_month_that_no_report_named_is_derived(edge):
    start = datetime(2026, 9, 30, 23, 59, tzinfo=UTC)
    months = {"started_at": start, "duration_us": 60 * 24 * 40 * MINUTE_US}
    take(edge, record(started_at=start, month="2026-09", duration_us=MINUTE_US))

    take(edge, record(**months, month="2026-11"))
    rebuild_stale_periods(now=NOW)

    assert [row[1:3] for row in periods()] == [
        ("2026-09", 1),
        ("2026-10", 31 * 24 * 60),
        ("2026-11", 9 * 24 * 60 - 1),
    ]


def test_period_is_marked_once_per_ten_minutes_and_stale_for_twenty(edge):
    marks = []
    for number, after in enumerate([0 * MINUTE, 10 * MINUTE, 11 * MINUTE]):
        take(edge, record(duration_us=number * MINUTE_US), now=NOW + after)
        marks.append(UsagePeriod.objects.get().stale_until)

    # A report that relied on the last mark can still be in flight when the first sweeps run.
    rebuilt = [
        rebuild_stale_periods(now=NOW + after)
        for after in (11 * MINUTE, 30 * MINUTE, 31 * MINUTE, 32 * MINUTE)
    ]

    assert marks == [NOW + 20 * MINUTE, NOW + 20 * MINUTE, NOW + 31 * MINUTE]
    assert rebuilt == [1, 1, 1, 0]
    assert not UsagePeriod.objects.get().is_stale


def test_report_that_adds_nothing_marks_nothing(edge):
    take(edge, record(), delivery())
    UsagePeriod.objects.all().delete()

    take(edge, record(), delivery())

    assert periods() == []


def test_period_without_usage_is_kept_while_it_is_stale(edge):
    """A report that relied on its mark may not be committed yet."""
    take(edge, record())
    ConnectionUsage.objects.all().delete()

    rebuilt = [rebuild_stale_periods(now=NOW + 19 * MINUTE)]
    kept_for_reports_in_flight = periods()
    rebuilt += [rebuild_stale_periods(now=NOW + 20 * MINUTE)]

    assert rebuilt == [0, 0]
    assert [row[:3] for row in kept_for_reports_in_flight] == [
        ("service-1", "2026-11", 0)
    ]
    assert periods() == []


@time_machine.travel(NOW + timedelta(days=1))
def test_tasks_find_due_work(edge):
    take(edge, record())

    tasks.presume_silent_closed()
    tasks.rebuild_stale_usage()

    assert ConnectionUsage.objects.get().presumed_closed_at is not None
    assert [row[:3] for row in periods()] == [("service-1", "2026-11", 2)]


@pytest.mark.django_db(transaction=True)
def test_period_that_cannot_be_derived_does_not_hold_up_others(caplog):
    edge = make_edge()
    take(edge, record(1), record(2), record(3, service="service-2"))
    impossible = ConnectionUsage.objects.filter(service="service-1")
    impossible.update(bytes_to_client=2**62)

    rebuilt = [rebuild_stale_periods(now=NOW), rebuild_stale_periods(now=NOW + HOUR)]
    impossible.update(bytes_to_client=1)
    rebuilt.append(rebuild_stale_periods(now=NOW + 2 * HOUR))

    assert rebuilt == [1, 1, 1]
    assert [row[:2] for row in periods()] == [
        ("service-1", "2026-11"),
        ("service-2", "2026-11"),
    ]
    logged = [(each.message, each.service, each.month) for each in caplog.records]
    assert logged == [("A period could not be derived.", "service-1", "2026-11")] * 2


@pytest.mark.django_db
def test_silent_connections_are_marked_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(period_commands, "CHUNK", 2)
    take(make_edge(), *(record(number) for number in range(5)))

    with CaptureQueriesContext(connection) as asked:
        marked = presume_closed(SILENT)

    assert marked == 5
    assert not ConnectionUsage.objects.filter(presumed_closed_at=None).exists()
    assert len([q for q in asked if q["sql"].startswith("UPDATE")]) == 3


@pytest.mark.django_db(transaction=True)
def test_sweep_does_not_wait_for_a_report_in_flight():
    reported, silent = record(1), record(2)
    take(make_edge(), reported, silent)

    with IN_FLIGHT[connection.vendor]():
        ConnectionUsage.objects.select_for_update().get(connection_id=reported.id)
        together(lambda: presume_closed(SILENT))
        row = ConnectionUsage.objects.get(connection_id=silent.id)

    assert row.presumed_closed_at == SILENT
    presume_closed(SILENT)
    assert not ConnectionUsage.objects.filter(presumed_closed_at=None).exists()
