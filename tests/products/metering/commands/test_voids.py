"""What an edge reported of a time is voided: it counts nowhere, also if it is reported again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.errors import Invalid, NotFound
from products.metering.commands import (
    rebuild_stale_periods,
    rebuild_usage,
    void_late_merges,
    void_usage,
)
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    UsageDispute,
    UsagePeriod,
    UsageVoid,
    VoidedRecord,
)
from products.metering.queries import usage_of
from products.metering.queries.periods import differences
from products.metering.queries.voids import EdgeTime, MonthClosed
from products.months import Month
from tests.factories import NOW
from tests.factories.trail import noted
from tests.products.metering.reports import delivery, make_edge, outcome, record, take

HOUR = timedelta(hours=1)
LATER = NOW + 2 * HOUR
NOVEMBER = Month(2026, 11)
# Of the connections of `record`, which start 90 seconds before NOW.
PERIOD = EdgeTime("edge-1", NOW - timedelta(minutes=5), NOW)


@pytest.fixture
def edge(db):
    return make_edge()


def void(actor, period=PERIOD, now=LATER, reason="The credential was stolen."):
    return void_usage(actor, period=period, reason=reason, now=now)


def used(account):
    usage = usage_of(account.pk, NOVEMBER)
    return (
        usage.total.connections,
        usage.total.minutes,
        usage.total.bytes_to_client,
        usage.total_delivery.requests,
    )


def test_a_void_takes_out_what_started_in_its_time_and_keeps_the_records(
    ada, acme, shop, edge
):
    take(
        edge,
        record(1, service=shop.pk),
        record(2, service=shop.pk, started_at=NOW - HOUR),
        delivery(service=shop.pk, hour="2026-11-22T11:00:00Z"),
    )
    take(make_edge("edge-2"), record(3, service=shop.pk, edge="edge-2"))
    rebuild_usage(now=NOW)
    before = used(acme)

    made = void(ada)
    rebuild_stale_periods(now=LATER)

    assert before == (3, 6, 16_200, 3)
    assert used(acme) == (2, 4, 10_800, 0)
    assert UsagePeriod.objects.get().minutes == 4
    assert list(differences()) == []
    kinds = made.records.order_by("kind").values_list("kind", "values__bytes_to_client")
    assert list(kinds) == [("connection", 5400), ("delivery", 70_000)]


def test_a_void_is_in_the_trails_of_the_platform_and_of_each_account_with_its_amounts(
    ada, acme, shop, edge
):
    take(edge, record(service=shop.pk), delivery())

    void(ada)

    assert noted("platform")[-1] == "usage.voided"
    assert noted(acme.pk)[-1] == "usage.voided"


def test_reports_of_a_voided_time_add_nothing_and_others_count(ada, acme, shop, edge):
    void(ada)

    answer = take(
        edge,
        record(1, service=shop.pk, duration_us=500_000_000, final=True),
        record(2, service=shop.pk, started_at=NOW),
        delivery(service=shop.pk, hour="2026-11-22T11:00:00Z"),
        delivery(service=shop.pk, hour="2026-11-22T12:00:00Z"),
        now=LATER,
    )

    assert outcome(answer) == (2, 2, [])
    assert ConnectionUsage.objects.get().connection_id.endswith(".2")
    assert DeliveryUsage.objects.get().hour == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_report_that_was_in_flight_is_set_apart_by_the_next_sweep(
    ada, acme, shop, edge
):
    made = void(ada)
    UsageVoid.objects.update(ends_at=PERIOD.starts_at + timedelta(seconds=1))
    take(edge, record(service=shop.pk))
    UsageVoid.objects.update(ends_at=PERIOD.ends_at)

    moved = (void_late_merges(LATER), void_late_merges(LATER))
    rebuild_stale_periods(now=LATER)

    assert (moved, made.records.count()) == ((1, 0), 1)
    assert used(acme) == (0, 0, 0, 0)


def test_open_disputes_about_a_voided_time_are_resolved(ada, shop, edge):
    take(edge, record(service=shop.pk, duration_us=50, final=True))
    take(edge, record(service=shop.pk, duration_us=70))

    void(ada)

    dispute = UsageDispute.objects.get()
    assert (dispute.is_open, dispute.resolution) == (False, "recorded")
    assert dispute.resolution_reason == "The credential was stolen."


def test_usage_of_a_closed_month_is_not_voided(ada, acme, shop, edge):
    take(edge, record(service=shop.pk))
    rebuild_usage(now=NOW)

    with pytest.raises(MonthClosed):
        void(ada, now=datetime(2027, 1, 6, tzinfo=UTC))

    assert used(acme)[0] == 1
    assert not VoidedRecord.objects.exists()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"reason": " "}, Invalid),
        ({"period": EdgeTime("edge-1", NOW, NOW)}, Invalid),
        ({"period": EdgeTime("edge-1", NOW, LATER + HOUR)}, Invalid),
        ({"period": EdgeTime("edge-9", NOW - HOUR, NOW)}, NotFound),
    ],
)
def test_a_void_needs_a_known_edge_a_time_that_is_over_and_a_reason(
    ada, edge, changes, refusal
):
    with pytest.raises(refusal):
        void(ada, **changes)

    assert not UsageVoid.objects.exists()


def test_only_staff_void_usage(sam, edge):
    with pytest.raises(NotFound):
        void(sam)

    assert not UsageVoid.objects.exists()


def test_the_review_finds_the_connections_of_a_period_by_an_index(edge):
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Plan a small table like a large one.
            cursor.execute("SET LOCAL enable_seqscan = off")

        plan = PERIOD.connections().explain()

    assert "usage_edge_started" in plan
