"""Closed periods replace the usage records of their month, with the same totals."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from products.metering.commands import (
    rebuild_stale_periods,
    rebuild_usage,
    resolve_dispute,
)
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    UsageDispute,
    UsagePeriod,
)
from products.metering.queries import (
    Usage,
    complete_to,
    differences,
    usage,
    usage_of,
)
from products.months import Month
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    iso,
    make_edge,
    record,
    take,
)
from tests.products.one_database import ONE_DATABASE

OCTOBER = Month(2026, 10)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
ACCEPTS_UNTIL = datetime(2026, 12, 6, tzinfo=UTC)
CLOSES = ACCEPTS_UNTIL + timedelta(hours=1)
LONG_AFTER = datetime(2027, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTHS = Month(2026, 9).until(Month(2027, 8))


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def report_october(edge, service) -> None:
    start = ENDS - timedelta(minutes=3)
    take(
        edge,
        record(service=service.pk, month="2026-10", started_at=start),
        delivery(service=service.pk, hour="2026-10-31T23:00:00Z"),
        now=ENDS,
    )


def delete_usage_records() -> None:
    ConnectionUsage.objects.all().delete()
    DeliveryUsage.objects.all().delete()


@pytest.mark.parametrize(
    "now,is_closed", [(CLOSES - timedelta(microseconds=1), False), (CLOSES, True)]
)
def test_month_closes_an_hour_after_it_accepts_no_more_reports(
    edge, shop, now, is_closed
):
    report_october(edge, shop)
    rebuild_stale_periods(now=ENDS)

    rebuild_stale_periods(now=now)

    assert UsagePeriod.objects.get().is_closed is is_closed


def test_closed_month_needs_no_usage_records(edge, shop):
    report_october(edge, shop)
    by_records = usage_of(shop.account_id, OCTOBER)
    rebuild_stale_periods(now=CLOSES)
    delete_usage_records()

    with CaptureQueriesContext(connection) as asked:
        by_period = usage_of(shop.account_id, OCTOBER)

    assert by_period == by_records
    assert by_period.total.minutes == 2
    assert by_period.total_delivery.requests == 3
    assert [q["sql"] for q in asked if "connectionusage" in q["sql"]] == []
    assert [q["sql"] for q in asked if "deliveryusage" in q["sql"]] == []


def test_closed_period_outlives_its_usage_records(edge, shop):
    report_october(edge, shop)
    rebuild_stale_periods(now=CLOSES)
    before = list(UsagePeriod.objects.values())
    delete_usage_records()

    rebuild_stale_periods(now=LONG_AFTER)
    rebuild_usage(now=LONG_AFTER)

    assert list(UsagePeriod.objects.values()) == before


def test_open_month_is_answered_from_usage_records(edge, shop):
    report_october(edge, shop)
    rebuild_stale_periods(now=ENDS)
    UsagePeriod.objects.update(minutes=99)

    assert usage_of(shop.account_id, OCTOBER).total.minutes == 2


def test_an_open_month_with_many_connections_is_answered_from_its_periods(
    edge, shop, monkeypatch
):
    monkeypatch.setattr(usage, "MAX_COUNTED_NOW", 0)
    report_october(edge, shop)
    chat = ServiceFactory.create(account=shop.account)
    rebuild_stale_periods(now=ENDS)
    by_period = usage_of(shop.account_id, OCTOBER)
    late = {"month": "2026-10", "started_at": ENDS - timedelta(minutes=1)}
    take(edge, record(2, service=shop.pk, **late), now=ACCEPTS_UNTIL)
    take(edge, record(3, service=chat.pk, **late), now=ACCEPTS_UNTIL)

    found = usage_of(shop.account_id, OCTOBER)

    # A service whose period is not derived yet is counted from its records.
    assert found.services[shop.pk] == by_period.services[shop.pk]
    assert found.services[chat.pk].connections == 1
    assert by_period.total.minutes == 2
    assert found.complete_to == ENDS
    assert complete_to() == ACCEPTS_UNTIL


def test_service_without_a_closed_period_is_answered_from_usage_records(edge, shop):
    report_october(edge, shop)
    rebuild_stale_periods(now=CLOSES)
    chat = ServiceFactory.create(account=shop.account)
    late = {"month": "2026-10", "started_at": ENDS - timedelta(minutes=1)}
    take(edge, record(2, service=chat.pk, **late), now=ACCEPTS_UNTIL)

    found = usage_of(shop.account_id, OCTOBER)

    closed = UsagePeriod.objects.filter(is_closed=True)
    assert closed.get().service == shop.pk
    assert {key: each.minutes for key, each in found.services.items()} == {
        shop.pk: 2,
        chat.pk: 1,
    }


def test_late_report_that_staff_use_counts_immediately_and_is_closed_again(
    edge, shop, ada
):
    report_october(edge, shop)
    rebuild_stale_periods(now=CLOSES)
    grown = record(
        service=shop.pk,
        month="2026-10",
        started_at=ENDS - timedelta(minutes=3),
        duration_us=3 * MINUTE_US,
    )
    more = delivery(service=shop.pk, hour="2026-10-31T23:00:00Z", requests=4)
    take(edge, grown, more, now=CLOSES)
    ignored = usage_of(shop.account_id, OCTOBER)

    for dispute in UsageDispute.objects.all():
        resolve_dispute(
            ada, dispute=dispute, keep="reported", reason="Yes.", now=CLOSES
        )

    counted = usage_of(shop.account_id, OCTOBER)
    rebuild_stale_periods(now=CLOSES)
    period = UsagePeriod.objects.get(month="2026-10")
    totals = ignored.total.minutes, ignored.total_delivery.requests
    assert totals == (2, 3)
    assert (counted.total.minutes, counted.total_delivery.requests) == (3, 4)
    assert (period.is_closed, period.minutes, period.requests) == (True, 3, 4)


def test_report_of_a_later_month_does_not_change_a_closed_one_but_the_check_finds_it(
    edge, shop
):
    """An edge without contact for five weeks reports a connection that lasted all October."""
    start = datetime(2026, 10, 1, tzinfo=UTC)
    both = {"service": shop.pk, "started_at": start}
    take(edge, record(**both, month="2026-10"), now=start + timedelta(minutes=2))
    rebuild_stale_periods(now=CLOSES)
    until = (CLOSES - start) // timedelta(microseconds=1)

    take(edge, record(**both, month="2026-12", duration_us=until), now=CLOSES)
    rebuild_stale_periods(now=CLOSES)

    assert usage_of(shop.account_id, OCTOBER).total.minutes == 2
    assert [str(each) for each in differences(month=OCTOBER)] == [
        f"{shop.pk} in 2026-10: minutes, digest, at_bounds"
    ]


@st.composite
def histories(draw, services, zone):
    """Draw reports with their times; a connection can skip whole months."""
    drawn = []
    for number in range(draw(st.integers(1, 4))):
        service = draw(st.sampled_from(services))
        start = MONTHS[1].starts_at(zone) + draw(st.timedeltas(-3 * DAY, 60 * DAY))
        lasted = timedelta()
        for step in draw(st.lists(st.timedeltas(timedelta(), 50 * DAY), max_size=4)):
            lasted += step
            fact = record(
                number,
                service=service,
                month=str(Month.at(start + lasted, zone)),
                started_at=start,
                duration_us=lasted // timedelta(microseconds=1),
                bytes_to_client=draw(st.integers(0, 2**40)),
            )
            drawn.append((start + lasted, fact))
        hour = start.replace(minute=0, second=0, microsecond=0)
        requests = draw(st.integers(0, 9))
        served = delivery(service=service, hour=iso(hour), requests=requests)
        drawn.append((hour, served))
    return sorted(drawn, key=lambda each: each[0])


@ONE_DATABASE
@given(zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]), data=st.data())
def test_totals_are_the_same_from_usage_records_and_from_periods(
    edge, shop, zone, data
):
    delete_usage_records()
    UsagePeriod.objects.all().delete()
    shop.account.billing_zone = zone
    shop.account.save()
    chat = ServiceFactory.create(account=shop.account)
    for now, fact in data.draw(histories([shop.pk, chat.pk], zone)):
        take(edge, fact, now=now)
    by_records = used_in_all_months(shop.account_id)

    rebuild_stale_periods(now=LONG_AFTER)
    different = list(differences())
    delete_usage_records()

    assert used_in_all_months(shop.account_id) == by_records
    assert different == []
    assert not UsageDispute.objects.exists()


def used_in_all_months(account_id: str) -> list[Usage]:
    return [usage_of(account_id, month) for month in MONTHS]
