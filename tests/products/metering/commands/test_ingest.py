"""Reports are merged by maximum: in any order and any number of times, with the same result."""

from datetime import timedelta

import pytest

from products.edge.contract import ContractError
from products.metering.commands import ingest
from products.metering.commands.ingest import AnotherEdge
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
)
from tests.factories import NOW
from tests.products.metering.reports import (
    INSTANCE,
    SECOND_US,
    delivery,
    kept,
    make_edge,
    outcome,
    record,
    report_of,
    take,
)


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def test_new_connection_counts(edge):
    answer = take(edge, record(), delivery())

    started_us = int((NOW - timedelta(seconds=90)).timestamp()) * SECOND_US
    assert outcome(answer) == (2, 0, [])
    assert kept() == [
        (
            record().id,
            "2026-11",
            "service-1",
            started_us,
            90 * SECOND_US,
            1200,
            5400,
            False,
        )
    ]
    row = ConnectionUsage.objects.get()
    assert (row.edge, row.last_reported_at, row.clock_differs) == ("edge-1", NOW, False)
    assert row.started_at == NOW - timedelta(seconds=90)


def test_same_report_again_adds_nothing(edge):
    take(edge, record(), delivery())
    before = kept()

    answer = take(edge, record(), delivery())

    assert outcome(answer) == (0, 2, [])
    assert kept() == before


def test_record_twice_in_one_batch_counts_once(edge):
    answer = take(edge, record(), record(), delivery(), delivery())

    assert outcome(answer) == (2, 2, [])
    assert len(kept()) == 1


def test_growing_records_of_one_batch_all_count(edge):
    take(edge, record(duration_us=50))

    answer = take(
        edge,
        record(duration_us=40, bytes_from_client=0),
        record(duration_us=60),
        record(duration_us=70),
        record(2),
    )

    assert outcome(answer) == (3, 1, [])
    assert [row[4] for row in kept()] == [70, 90 * SECOND_US]


def test_each_counter_keeps_its_own_maximum(edge):
    take(edge, record(duration_us=100, bytes_from_client=1, bytes_to_client=9))

    answer = take(edge, record(duration_us=90, bytes_from_client=5, bytes_to_client=2))

    assert outcome(answer) == (1, 0, [])
    assert kept()[0][4:] == (100, 5, 9, False)


def test_smaller_report_adds_nothing(edge):
    take(edge, record(duration_us=100))

    answer = take(edge, record(duration_us=99))

    assert outcome(answer) == (0, 1, [])
    assert kept()[0][4] == 100


def test_smaller_report_after_the_final_one_adds_nothing(edge):
    take(edge, record(duration_us=100, final=True))

    answer = take(edge, record(duration_us=99), record(duration_us=100))

    assert outcome(answer) == (0, 2, [])
    assert kept()[0][4:] == (100, 1200, 5400, True)


def test_final_report_without_growth_ends_a_connection(edge):
    take(edge, record(duration_us=100))

    answer = take(edge, record(duration_us=100, final=True))

    assert outcome(answer) == (1, 0, [])
    assert kept()[0][7] is True


def test_connection_has_a_row_per_month(edge):
    started_at = NOW.replace(day=30, hour=23, minute=59)
    later = NOW.replace(month=12, day=1)
    october = record(started_at=started_at, month="2026-11", duration_us=10**8)
    november = record(
        started_at=started_at, month="2026-12", duration_us=10**9, final=True
    )

    answers = [take(edge, november, october, now=later) for _ in range(2)]

    assert [outcome(answer) for answer in answers] == [(2, 0, []), (0, 2, [])]
    assert [(row[1], row[4], row[7]) for row in kept()] == [
        ("2026-11", 10**8, False),
        ("2026-12", 10**9, True),
    ]


def test_delivery_counters_keep_their_maximum_per_instance(edge):
    take(edge, delivery(requests=5, bytes_from_client=10, bytes_to_client=10))
    take(edge, delivery(requests=4, bytes_from_client=30, bytes_to_client=5))

    answer = take(edge, delivery(requests=1), instance="another")

    assert outcome(answer) == (1, 0, [])
    rows = DeliveryUsage.objects.order_by("pk")
    assert list(
        rows.values_list("instance", "requests", "bytes_from_client", "bytes_to_client")
    ) == [
        (report_of().instance, 5, 30, 10),
        ("another", 1, 900, 70_000),
    ]


def test_empty_report_moves_last_seen(edge):
    answer = take(edge)

    edge.refresh_from_db()
    assert outcome(answer) == (0, 0, [])
    assert (edge.last_seen_at, edge.clock_offset_ms) == (NOW, 0)


def test_report_alone_does_not_move_reported_at(edge):
    ingest(edge, report=report_of(record()), received_at=NOW)

    edge.refresh_from_db()
    assert (edge.last_seen_at, edge.reported_at) == (NOW, None)


def test_epoch_is_the_same_in_every_answer(edge):
    first, second = (
        take(edge, record()),
        take(make_edge("edge-2"), record(edge="edge-2")),
    )

    assert len(first.ingest_epoch) == 22
    assert first.ingest_epoch == second.ingest_epoch


@pytest.mark.parametrize(
    "seconds,flagged", [(2, False), (-2, False), (3, True), (-3, True)]
)
def test_clocks_that_differ_by_more_than_two_seconds_are_flagged(
    edge, seconds, flagged
):
    report = report_of(record(), now=NOW + timedelta(seconds=seconds))

    ingest(edge, report=report, received_at=NOW)

    edge.refresh_from_db()
    assert edge.clock_offset_ms == seconds * 1000
    assert edge.clock_differs is flagged
    assert ConnectionUsage.objects.get().clock_differs is flagged


def test_a_connection_stays_flagged_after_the_clocks_agree_again(edge):
    apart = report_of(record(), now=NOW + timedelta(seconds=3))
    ingest(edge, report=apart, received_at=NOW)
    agreed = report_of(record(bytes_to_client=6000), now=NOW)

    ingest(edge, report=agreed, received_at=NOW)

    row = ConnectionUsage.objects.get()
    assert (row.bytes_to_client, row.clock_differs) == (6000, True)


def test_the_last_report_of_a_connection_is_the_latest_received(edge):
    report = report_of(record(), now=NOW)
    ingest(edge, report=report, received_at=NOW)
    grown = report_of(record(bytes_to_client=6000), now=NOW)

    # A portal whose clock is behind that of the one before.
    ingest(edge, report=grown, received_at=NOW - timedelta(seconds=1))

    row = ConnectionUsage.objects.get()
    assert (row.bytes_to_client, row.last_reported_at) == (6000, NOW)


def test_report_of_another_edge_does_not_count(edge):
    with pytest.raises(AnotherEdge):
        ingest(edge, report=report_of(record(), edge="edge-2"), received_at=NOW)

    edge.refresh_from_db()
    assert kept() == []
    assert edge.last_seen_at is None


@pytest.mark.parametrize(
    "foreign_id",
    [
        record(edge="edge-2").id,
        "edge-1.01J00000000000000000OTHER.1",  # another instance than the report's
        f"edge-1.{INSTANCE}",
        "1",
    ],
)
def test_edge_cannot_add_to_connections_of_another_one(edge, foreign_id):
    other = make_edge("edge-2")
    take(other, record(edge="edge-2"))
    before = kept()

    with pytest.raises(ContractError, match=r"connections\[1\]\.id"):
        take(edge, record(), record(id=foreign_id, duration_us=10**9))

    assert kept() == before
    assert not UsageDispute.objects.exists()


def test_usage_of_an_earlier_instance_is_reported_under_its_id(edge):
    old = "01H000000000000000000OLDER"

    answer = take(edge, record(id=f"edge-1.{old}.7", final=True), instance=old)

    assert outcome(answer) == (1, 0, [])
