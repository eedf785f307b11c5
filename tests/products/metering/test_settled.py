"""Months that take no more reports are answered by their periods, with the figures of the facts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from products.metering.commands import (
    rebuild_dirty_periods,
    rebuild_usage,
    resolve_conflict,
)
from products.metering.models import (
    ConnectionUsage,
    DeliveryUsage,
    Edge,
    MovedUsage,
    UsageConflict,
    UsagePeriod,
)
from products.metering.months import Month
from products.metering.queries import Usage, differences, usage_of
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import (
    MINUTE_US,
    delivery,
    make_edge,
    record,
    take,
    wire,
)

OCTOBER = Month(2026, 10)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)
TAKEN_UNTIL = datetime(2026, 12, 6, tzinfo=UTC)
SETTLES = TAKEN_UNTIL + timedelta(hours=1)
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


def drop_the_facts() -> None:
    ConnectionUsage.objects.all().delete()
    DeliveryUsage.objects.all().delete()


@pytest.mark.parametrize(
    "now,settled", [(SETTLES - timedelta(microseconds=1), False), (SETTLES, True)]
)
def test_a_month_settles_an_hour_after_it_takes_no_more_reports(
    edge, shop, now, settled
):
    report_october(edge, shop)
    rebuild_dirty_periods(now=ENDS)

    rebuild_dirty_periods(now=now)

    assert UsagePeriod.objects.get().settled is settled


def test_a_settled_month_needs_no_facts_any_more(edge, shop):
    report_october(edge, shop)
    by_facts = usage_of(shop.account_id, OCTOBER)
    rebuild_dirty_periods(now=SETTLES)
    drop_the_facts()

    with CaptureQueriesContext(connection) as asked:
        by_period = usage_of(shop.account_id, OCTOBER)

    assert by_period == by_facts
    assert by_period.total.minutes == 2
    assert by_period.total_delivery.requests == 3
    assert [q["sql"] for q in asked if "connectionusage" in q["sql"]] == []
    assert [q["sql"] for q in asked if "deliveryusage" in q["sql"]] == []


def test_a_settled_period_outlives_its_facts(edge, shop):
    report_october(edge, shop)
    rebuild_dirty_periods(now=SETTLES)
    before = list(UsagePeriod.objects.values())
    drop_the_facts()

    rebuild_dirty_periods(now=LONG_AFTER)
    rebuild_usage(now=LONG_AFTER)

    assert list(UsagePeriod.objects.values()) == before


def test_a_month_that_is_not_settled_is_answered_by_the_facts(edge, shop):
    report_october(edge, shop)
    rebuild_dirty_periods(now=ENDS)
    UsagePeriod.objects.update(minutes=99)

    assert usage_of(shop.account_id, OCTOBER).total.minutes == 2


def test_a_service_without_a_settled_period_is_answered_by_the_facts(edge, shop):
    report_october(edge, shop)
    rebuild_dirty_periods(now=SETTLES)
    MovedUsage.objects.all().delete()
    chat = ServiceFactory.create(account=shop.account)
    late = {"month": "2026-10", "started_at": ENDS - timedelta(minutes=1)}
    take(edge, record(2, service=chat.pk, **late), now=TAKEN_UNTIL)

    found = usage_of(shop.account_id, OCTOBER)

    assert UsagePeriod.objects.get().service == shop.pk
    assert {key: each.minutes for key, each in found.services.items()} == {
        shop.pk: 2,
        chat.pk: 1,
    }


def test_what_a_person_lets_count_late_counts_at_once_and_settles_again(
    edge, shop, ada
):
    report_october(edge, shop)
    rebuild_dirty_periods(now=SETTLES)
    grown = record(
        service=shop.pk,
        month="2026-10",
        started_at=ENDS - timedelta(minutes=3),
        duration_us=3 * MINUTE_US,
    )
    more = delivery(service=shop.pk, hour="2026-10-31T23:00:00Z", requests=4)
    take(edge, grown, more, now=SETTLES)
    ignored = usage_of(shop.account_id, OCTOBER)

    for conflict in UsageConflict.objects.all():
        resolve_conflict(
            ada, conflict=conflict, keep="theirs", reason="Yes.", now=SETTLES
        )

    counted = usage_of(shop.account_id, OCTOBER)
    rebuild_dirty_periods(now=SETTLES)
    period = UsagePeriod.objects.get(month="2026-10")
    figures = ignored.total.minutes, ignored.total_delivery.requests
    assert figures == (2, 3)
    assert (counted.total.minutes, counted.total_delivery.requests) == (3, 4)
    assert (period.settled, period.minutes, period.requests) == (True, 3, 4)


def test_reports_of_later_months_leave_a_settled_one_alone_and_the_check_tells(
    edge, shop
):
    """An edge that was cut off for five weeks says that its connection lasted all October."""
    start = datetime(2026, 10, 1, tzinfo=UTC)
    both = {"service": shop.pk, "started_at": start}
    take(edge, record(**both, month="2026-10"), now=start + timedelta(minutes=2))
    rebuild_dirty_periods(now=SETTLES)
    until = (SETTLES - start) // timedelta(microseconds=1)

    take(edge, record(**both, month="2026-12", duration_us=until), now=SETTLES)
    rebuild_dirty_periods(now=SETTLES)

    assert usage_of(shop.account_id, OCTOBER).total.minutes == 2
    assert [str(each) for each in differences(month=OCTOBER)] == [
        f"{shop.pk} in 2026-10: minutes, digest"
    ]


@st.composite
def histories(draw, services, zone):
    """Draw what edges say, each when it can be said; a connection may skip whole months."""
    said = []
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
            said.append((start + lasted, fact))
        hour = start.replace(minute=0, second=0, microsecond=0)
        requests = draw(st.integers(0, 9))
        served = delivery(service=service, hour=wire(hour), requests=requests)
        said.append((hour, served))
    return sorted(said, key=lambda each: each[0])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]), data=st.data())
def test_the_figures_are_the_same_by_facts_and_by_periods(edge, shop, zone, data):
    drop_the_facts()
    UsagePeriod.objects.all().delete()
    shop.account.billing_zone = zone
    shop.account.save()
    chat = ServiceFactory.create(account=shop.account)
    for now, fact in data.draw(histories([shop.pk, chat.pk], zone)):
        take(edge, fact, now=now)
    by_facts = used_in_all_months(shop.account_id)

    rebuild_dirty_periods(now=LONG_AFTER)
    different = list(differences())
    drop_the_facts()

    assert used_in_all_months(shop.account_id) == by_facts
    assert different == []
    assert not UsageConflict.objects.exists()


def used_in_all_months(account_id: str) -> list[Usage]:
    return [usage_of(account_id, month) for month in MONTHS]
