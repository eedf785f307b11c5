"""Reports and resolutions at the same time: nothing is lost, counted twice or disputed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from products.metering.commands import rebuild_stale_periods, resolve_dispute
from products.metering.commands.ingest import connection_values
from products.metering.commands.merge_sql import (
    ReportSource,
    merge_connections,
    merge_delivery,
)
from products.metering.models import (
    DeliveryUsage,
    IngestEpoch,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries import current_epoch, differences
from tests.concurrency import amid, overtaking, together
from tests.products.metering.reports import (
    INSTANCE,
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    report_of,
    take,
)

# October ends, accepts reports for 35 more days and is closed an hour later.
OCTOBER_ENDS = datetime(2026, 11, 1, tzinfo=UTC)
OCTOBER_CLOSES = OCTOBER_ENDS + timedelta(days=35, hours=1)
LAST_HOUR = {"hour": "2026-10-31T23:00:00Z"}
# Of the last query that derives a closed period.
DIGEST = '"metering_deliveryusage"."edge"'
# Of the last query that derives an open one.
REQUESTS = 'SUM("metering_deliveryusage"."requests")'
SOURCE = ReportSource(
    "edge-1", INSTANCE, received_at=OCTOBER_CLOSES, clock_differs=False
)


def use_reported(actor, dispute) -> Callable[[], object]:
    """Return a call that resolves a dispute with the reported values."""
    return partial(
        resolve_dispute,
        actor,
        dispute=dispute,
        keep="reported",
        reason="Yes.",
        now=OCTOBER_CLOSES,
    )


@pytest.mark.django_db(transaction=True)
def test_same_records_in_several_reports_at_the_same_time_count_once():
    edge = make_edge()
    records = [
        record(number, duration_us=100 + step, final=step == 2)
        for step in range(3)
        for number in range(100)
    ]
    orders = [records, records[::-1], records[150:] + records[:150], records[::7]]

    answers = together(
        *(lambda order=order: take(edge, *order, delivery()) for order in orders)
    )

    outcomes = [outcome(answer) for answer in answers]
    assert [disputed for _, _, disputed in outcomes] == [[], [], [], []]
    assert [counted + same for counted, same, _ in outcomes] == [
        len(order) + 1 for order in orders
    ]
    assert {row[4:] for row in kept()} == {(102, 1200, 5400, True)}
    assert len(kept()) == 100
    assert {answer.ingest_epoch for answer in answers} == {current_epoch()}
    assert IngestEpoch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_contradiction_found_twice_at_the_same_time_is_saved_once():
    edge = make_edge()
    take(edge, record(duration_us=50, final=True))
    reported = record(duration_us=70)

    answers = together(lambda: take(edge, reported), lambda: take(edge, reported))

    assert [outcome(answer) for answer in answers] == [(0, 0, [reported.id])] * 2
    assert UsageDispute.objects.count() == 1
    assert AuditEvent.objects.filter(action=Event.USAGE_DISPUTE_FOUND).count() == 1


@pytest.mark.django_db(transaction=True)
def test_resolution_while_a_sweep_closes_the_month_counts_with_the_next_sweep(ada):
    edge = make_edge()
    take(edge, delivery(**LAST_HOUR), now=OCTOBER_ENDS)
    take(edge, delivery(**LAST_HOUR, requests=4), now=OCTOBER_CLOSES)
    dispute = UsageDispute.objects.get()

    with amid(DIGEST, use_reported(ada, dispute)) as resolved:
        rebuild_stale_periods(now=OCTOBER_CLOSES)
    rebuild_stale_periods(now=OCTOBER_CLOSES + timedelta(minutes=10))

    period = UsagePeriod.objects.get(month="2026-10")
    assert resolved == [dispute]
    assert (period.is_closed, period.requests) == (True, 4)


@pytest.mark.django_db(transaction=True)
def test_report_in_flight_is_not_undone_by_a_resolution_about_another_month(ada):
    edge = make_edge()
    both = {"started_at": OCTOBER_ENDS - timedelta(minutes=1)}
    november = record(**both, duration_us=100, bytes_to_client=1)
    take(edge, november, now=OCTOBER_ENDS)
    october = record(**both, month="2026-10", duration_us=50)
    take(edge, october, now=OCTOBER_CLOSES)
    dispute = UsageDispute.objects.get()
    ending = record(**both, duration_us=200, bytes_to_client=2, final=True)

    with overtaking(use_reported(ada, dispute)) as resolved:
        merge_connections(connection_values(report_of(ending)), SOURCE)

    assert resolved == [dispute]
    assert [(row[1], row[4], row[6], row[7]) for row in kept()] == [
        ("2026-10", 50, 5400, False),
        ("2026-11", 200, 2, True),
    ]


@pytest.mark.django_db(transaction=True)
def test_counters_that_grow_during_a_resolution_keep_the_growth(ada):
    edge = make_edge()
    take(edge, delivery(**LAST_HOUR), now=OCTOBER_ENDS)
    take(edge, delivery(**LAST_HOUR, requests=4), now=OCTOBER_CLOSES)
    dispute = UsageDispute.objects.get()
    more = delivery(**LAST_HOUR, bytes_to_client=80_000)

    with overtaking(use_reported(ada, dispute)) as resolved:
        merge_delivery(report_of(more).delivery, SOURCE)

    row = DeliveryUsage.objects.get()
    assert resolved == [dispute]
    assert (row.requests, row.bytes_to_client) == (4, 80_000)


@pytest.mark.django_db(transaction=True)
def test_report_that_exceeds_a_dispute_during_its_resolution_is_a_new_one():
    edge = make_edge()
    take(edge, record(duration_us=50, final=True))
    take(edge, record(duration_us=70))
    beyond = record(duration_us=80)

    with overtaking(lambda: take(edge, beyond)) as answers:
        UsageDispute.objects.update(resolved_at=OCTOBER_ENDS, resolution="recorded")

    rows = UsageDispute.objects.order_by("pk")
    assert [outcome(answer) for answer in answers] == [(0, 0, [beyond.id])]
    assert [(row.reported["duration_us"], row.is_open) for row in rows] == [
        (70, False),
        (80, True),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "read,found",
    [
        (lambda: rebuild_stale_periods(now=OCTOBER_ENDS), 1),
        (lambda: list(differences()), []),
    ],
    ids=["derived", "compared"],
)
def test_report_while_a_period_is_read_is_not_half_in_it(read, found):
    edge = make_edge()
    take(edge, delivery(**LAST_HOUR), now=OCTOBER_ENDS)
    rebuild_stale_periods(now=OCTOBER_ENDS)
    before = list(UsagePeriod.objects.order_by("pk").values())

    more = delivery(**LAST_HOUR, requests=4)
    with amid(REQUESTS, lambda: take(edge, more, now=OCTOBER_ENDS)) as answers:
        answered = read()

    assert [answer.accepted for answer in answers] == [1]
    assert answered == found
    assert list(UsagePeriod.objects.order_by("pk").values()) == before
    rebuild_stale_periods(now=OCTOBER_ENDS + timedelta(minutes=10))
    assert UsagePeriod.objects.get(month="2026-10").requests == 4
