"""Usage of accounts: minutes, months, bytes, completeness."""

from datetime import UTC, datetime, timedelta

import pytest

from products.metering.models import Edge
from products.metering.queries import (
    ConnectionTotals,
    DeliveryTotals,
    complete_to,
    totals_between,
    usage_of,
)
from products.months import Month
from tests.concurrency import amid
from tests.factories import NOW
from tests.products import vectors
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    make_edge,
    record,
    take,
)

NOVEMBER = Month(2026, 11)


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def minutes_in(account, *months: str) -> list[int]:
    return [usage_of(account.pk, Month.read(each)).total.minutes for each in months]


def connection(service, given, **fields):
    """Return the connection of a worked example, reported in the month in which it ended."""
    start, end = (datetime.fromisoformat(given[name]) for name in ("start", "end"))
    duration_us = (end - start) // timedelta(microseconds=1)
    return record(
        **{
            "service": service.pk,
            "started_at": start.astimezone(UTC),
            "duration_us": duration_us,
            "month": f"{end:%Y-%m}",
        }
        | fields
    )


def test_v01_each_connection_is_rounded_up_by_itself(edge, shop):
    given, expect = vectors.given("V01")
    durations = given["durations_us"]
    records = [
        record(n, service=shop.pk, duration_us=each) for n, each in enumerate(durations)
    ]

    take(edge, *records)

    totals = usage_of(shop.account_id, NOVEMBER).total
    assert (totals.minutes, totals.connections) == (expect["total"], len(durations))


@pytest.mark.parametrize("example", ["V03", "V05"])
def test_v03_v05_connection_over_the_end_of_a_month_is_split(edge, shop, example):
    given, expect = vectors.given(example)
    only = connection(shop, given)

    take(edge, only, now=datetime.fromisoformat(given["end"]))

    assert minutes_in(shop.account, f"{only.started_at:%Y-%m}", only.month) == [
        expect["march"],
        expect["april"],
    ]


def test_v04_three_months_without_a_report_at_their_ends(edge, shop):
    given, expect = vectors.given("V04")
    only = connection(shop, given)

    take(edge, only, now=datetime.fromisoformat(given["end"]))

    first = Month.read(f"{only.started_at:%Y-%m}")
    months = [str(first.plus(step)) for step in range(3)]
    assert minutes_in(shop.account, *months) == [
        expect["jan"],
        expect["feb"],
        expect["mar"],
    ]


@pytest.mark.parametrize(
    "example,end,cut,parts",
    [
        # The minute of a price change belongs to the part before it.
        ("V13", "end", "cut", lambda expect: (expect["before"], expect["after"])),
        # A connection in drain mode is billed until it is closed.
        (
            "V14",
            "deadline",
            "disabled",
            lambda expect: (
                expect["billed_minutes"] - expect["of_which_after_disable"],
                expect["of_which_after_disable"],
            ),
        ),
    ],
)
def test_v13_v14_minute_of_a_cut_belongs_to_the_part_before_it(
    edge, shop, example, end, cut, parts
):
    given, expect = vectors.given(example)
    given["end"] = given[end]
    start, middle, last = map(
        datetime.fromisoformat, (given["start"], given[cut], given["end"])
    )
    take(edge, connection(shop, given), now=last)

    before = totals_between([shop.pk], start, middle)[shop.pk].minutes
    after = totals_between([shop.pk], middle, last)[shop.pk].minutes

    assert (before, after) == parts(expect)


def test_v06_repeated_and_late_reports_add_nothing(edge, shop):
    given, expect = vectors.given("V06")
    totals = []

    for reported in given["cumulative_us"]:
        take(edge, record(service=shop.pk, duration_us=reported))
        totals += minutes_in(shop.account, "2026-11")

    known = [0, *totals]
    assert [b - a for a, b in zip(known, totals, strict=False)] == expect[
        "increments_in_arrival_order"
    ]


def test_bytes_are_those_reported_for_the_month(edge, shop):
    start = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    both = {"service": shop.pk, "started_at": start}
    take(
        edge,
        record(
            **both,
            month="2026-10",
            duration_us=MINUTE_US,
            bytes_from_client=10,
            bytes_to_client=1,
        ),
        record(
            **both,
            month="2026-11",
            duration_us=3 * MINUTE_US,
            bytes_from_client=30,
            bytes_to_client=3,
        ),
    )

    october, november = (usage_of(shop.account_id, NOVEMBER.plus(n)) for n in (-1, 0))

    assert october.total == ConnectionTotals(1, 1, 10, 1)
    assert november.total == ConnectionTotals(2, 1, 30, 3)


def test_months_are_in_the_zone_of_the_account(edge, shop):
    shop.account.billing_zone = "Asia/Tokyo"  # November begins there at 15:00 UTC
    shop.account.save()
    start = datetime(2026, 10, 31, 14, 59, tzinfo=UTC)

    take(
        edge,
        record(service=shop.pk, started_at=start, duration_us=3 * MINUTE_US),
        delivery(service=shop.pk, hour="2026-10-31T15:00:00Z"),
        delivery(service=shop.pk, hour="2026-10-31T14:00:00Z", requests=1),
    )

    assert minutes_in(shop.account, "2026-10", "2026-11") == [1, 2]
    november = usage_of(shop.account_id, NOVEMBER)
    assert november.total_delivery == DeliveryTotals(3, 900, 70_000)


def test_usage_as_json(edge, shop):
    take(
        edge,
        record(service=shop.pk),
        delivery(service=shop.pk),
        record(2, service="unknown"),
    )

    same = {
        "minutes": 2,
        "connections": 1,
        "bytes_from_client": 1200,
        "bytes_to_client": 5400,
    }
    counts = {"requests": 3, "bytes_from_client": 900, "bytes_to_client": 70_000}
    assert usage_of(shop.account_id, NOVEMBER).to_json() == {
        "month": "2026-11",
        **same,
        "services": {shop.pk: same},
        "delivery": counts | {"services": {shop.pk: counts}},
        "complete_to": NOW.isoformat(),
        "conflicts": 0,
    }


def test_month_without_usage_is_empty(edge, shop, globex):
    take(edge, record(service=shop.pk))

    assert usage_of(globex.pk, NOVEMBER).total == ConnectionTotals()
    assert usage_of(shop.account_id, NOVEMBER.plus(-1)).total == ConnectionTotals()
    assert usage_of(shop.account_id, NOVEMBER.plus(1)).total == ConnectionTotals()


def test_usage_counts_before_the_creation_and_after_the_deletion_of_a_service(
    edge, shop
):
    shop.deleted_at = NOW - timedelta(days=1)
    shop.save()
    early = shop.created_at - timedelta(days=30)

    take(edge, record(service=shop.pk, started_at=early, month="2026-10"))

    assert minutes_in(shop.account, "2026-10") == [2]


def test_open_disputes_of_the_month_are_counted(edge, shop):
    take(edge, record(service=shop.pk, final=True))
    take(edge, record(service=shop.pk, duration_us=10**9))

    assert usage_of(shop.account_id, NOVEMBER).disputes == 1
    assert usage_of(shop.account_id, NOVEMBER.plus(1)).disputes == 0


def test_usage_is_complete_to_the_oldest_report_of_an_active_edge(edge):
    hours = [timedelta(hours=n) for n in range(3)]
    make_edge("never-used")
    make_edge("gone", revoked_at=NOW, last_seen_at=NOW, reported_at=NOW - hours[2])
    nothing_yet = complete_to()
    take(edge, now=NOW)
    late = make_edge("edge-2")
    take(late, now=NOW - hours[1])
    oldest = complete_to()
    make_edge("edge-3", last_seen_at=NOW)

    assert (nothing_yet, oldest, complete_to()) == (None, NOW - hours[1], None)


@pytest.mark.django_db(transaction=True)
def test_report_during_a_query_is_neither_counted_nor_in_complete_to(shop):
    edge = make_edge()
    later = NOW + timedelta(minutes=5)
    numbers = {"duration_us": 5 * MINUTE_US, "bytes_to_client": 9_000}
    take(edge, record(service=shop.pk))
    before = usage_of(shop.account_id, NOVEMBER)

    with amid(
        'SUM("metering_connectionusage"."bytes_to_client")',
        lambda: take(edge, record(service=shop.pk, **numbers), now=later),
    ) as answers:
        found = usage_of(shop.account_id, NOVEMBER)

    after = usage_of(shop.account_id, NOVEMBER)
    assert [answer.accepted for answer in answers] == [1]
    assert found == before
    assert (before.total.minutes, before.complete_to) == (2, NOW)
    assert (after.total.minutes, after.complete_to) == (5, later)
