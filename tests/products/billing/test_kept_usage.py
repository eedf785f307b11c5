"""With many connections, bills and pages read the periods: the same figures, and how old they are."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.policy import load_access
from accounts.queries import account_of
from products.billing.bill import CONNECTION_TIME
from products.billing.commands import finalize_invoice, refresh_bill
from products.billing.queries.bills import running_bill, running_month
from products.billing.queries.running import costs_of_month, running_account_bill
from products.calendars import calendar_of
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import change_price
from products.metering.commands import rebuild_stale_periods, rebuild_usage
from products.metering.models import ConnectionUsage, DeliveryUsage, Edge
from products.metering.queries import current_usage
from products.metering.queries.daily import minutes_at
from products.metering.queries.usage import service_ids_of
from products.web.usage import month_usage
from tests.factories.usage import connection_usage
from tests.factories.world import CATALOGUE
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER, SEPTEMBER
from tests.products.billing.test_properties import (
    JOB,
    JUST_BEFORE,
    arrive,
    content,
    example,
    histories,
)
from tests.products.metering.reports import SECOND_US, delivery, make_edge, record, take
from tests.products.one_database import ONE_DATABASE

NOON = MID_OCTOBER + timedelta(hours=12, seconds=7)  # no midnight
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONG_AFTER = OCTOBER.closes_at("UTC") + timedelta(days=1)
LAST_HOUR = OCTOBER.starts_at("UTC") - timedelta(hours=1)  # of September in UTC
# Also one with half an hour.
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
MANY = "products.metering.queries.usage.MAX_COUNTED_NOW"
MUCH_DELIVERY = "products.metering.queries.usage.MAX_DELIVERY_COUNTED_NOW"


@pytest.fixture
def edge(db):
    return make_edge(created_at=SEPTEMBER)


@pytest.fixture
def cut_at_noon(standard):
    """Let the price change within a day."""
    return change_price(
        CATALOGUE,
        plan=standard,
        price=NewPrice("USD", CONNECTION_TIME, (PriceTier(None, 10**8),)),
        effective_from=NOON,
        now=SEPTEMBER,
    )


def derive(acme, now=JUST_BEFORE):
    """Let the sweeps run twice, as the first asks the periods for what bills need."""
    for _ in range(2):
        rebuild_stale_periods(now=now)
        refresh_bill(acme, now=now)


def minutes_of(bill):
    return [line.quantity for line in bill.lines if line.meter == CONNECTION_TIME]


def shown(sam, acme):
    """Return the figures of the running bill, of the Usage page, and of the last days."""
    bill = running_bill(acme, OCTOBER, JUST_BEFORE)
    calendar = calendar_of(acme)
    bounds = calendar.days(OCTOBER)
    access = load_access(sam, acme.pk)
    used = month_usage(access, acme, OCTOBER, JUST_BEFORE).used
    costs = costs_of_month(acme, OCTOBER, JUST_BEFORE)
    return (
        (bill.lines, bill.usage, costs.days),
        {key: list(each) for key, each in used.minutes.items() if any(each)},
        {key: list(each) for key, each in used.bytes.items() if any(each)},
        (used.connections, used.seconds_open),
        [
            today(sam, calendar, day)
            for day in (NOON, MID_OCTOBER - DAY, bounds[-1] - HOUR)
        ],
        minutes_at(list(used.minutes), bounds[-4:], calendar).totals,
    )


def today(sam, calendar, at):
    """Return the usage of a day by service and edge: the same if that of the month is known."""
    account = account_of(sam)
    services = service_ids_of(account.pk)
    known = running_month(account, OCTOBER, at).used
    found = current_usage(services, calendar=calendar, now=at)
    assert current_usage(services, calendar=calendar, now=at, known=known) == found
    return found.used


@ONE_DATABASE
@given(data=st.data())
def test_periods_give_the_figures_of_the_usage_records(
    sam, acme, shop, echo, enabled, cut_at_noon, edge, data
):
    with example(), pytest.MonkeyPatch.context() as patch:
        from_month = OCTOBER.plus(data.draw(st.sampled_from([-1, 0])))
        change_zone(acme, data.draw(st.sampled_from(ZONES)), from_month)
        arrive(edge, data.draw(histories([shop.pk, echo.pk])))
        for number in range(data.draw(st.integers(0, 2))):
            # At bounds and around them, open in September, and of no duration.
            start = data.draw(
                st.sampled_from([NOON, MID_OCTOBER, SEPTEMBER + 29 * DAY])
            )
            length = data.draw(st.sampled_from([-1, 0, 1, 2 * 86_400 * SECOND_US]))
            arrive(edge, [edge_case(shop, number, start, max(0, length), length < 0)])
        take(edge, delivery(service=echo.pk, hour=MID_OCTOBER), now=JUST_BEFORE)
        take(edge, delivery(service=echo.pk, hour=LAST_HOUR), now=JUST_BEFORE)
        by_records = shown(sam, acme)
        derive(acme, JUST_BEFORE - 6 * HOUR)  # when it is October in each zone
        patch.setattr(MANY, -1)
        ConnectionUsage.objects.all().delete()  # so that nothing can be read from them
        DeliveryUsage.objects.all().delete()

        assert shown(sam, acme) == by_records


def test_many_hours_of_ordinary_http_are_read_from_the_periods(
    sam, acme, shop, enabled, edge, monkeypatch
):
    take(edge, delivery(service=shop.pk, hour=MID_OCTOBER), now=JUST_BEFORE)
    take(edge, delivery(service=shop.pk, hour=MID_OCTOBER + HOUR), now=JUST_BEFORE)
    by_records = shown(sam, acme)
    derive(acme, JUST_BEFORE)
    DeliveryUsage.objects.all().delete()

    monkeypatch.setattr(MUCH_DELIVERY, 1)
    by_periods = shown(sam, acme)
    monkeypatch.setattr(MUCH_DELIVERY, 2)
    by_missing_records = shown(sam, acme)

    assert by_periods == by_records
    assert by_missing_records != by_records


def change_zone(acme, zone, from_month):
    acme.zone_changes = [[str(from_month), zone]]
    acme.save()


def edge_case(service, number, start, duration_us, is_before):
    start -= timedelta(microseconds=is_before)
    month = "2026-10" if start >= OCTOBER.starts_at("UTC") else "2026-09"
    return record(
        1_000 + number,
        service=service.pk,
        month=month,
        started_at=start,
        duration_us=duration_us,
        final=True,
    )


@pytest.fixture
def many(monkeypatch):
    monkeypatch.setattr(MANY, 1)


def test_the_running_bill_of_periods_is_the_invoice(
    acme, shop, echo, enabled, cut_at_noon, edge, many
):
    for number, service in enumerate([shop, echo, shop]):
        late = record(
            number,
            service=service.pk,
            month="2026-10",
            started_at=NOON - timedelta(hours=number),
            duration_us=(3_600 * 5 + number) * SECOND_US,
            bytes_to_client=10**9,
        )
        take(edge, late, now=JUST_BEFORE)
    derive(acme)

    running = refresh_bill(acme, now=JUST_BEFORE)
    shown_lines = content(running.lines.all())
    Edge.objects.update(reported_at=CLOSED)
    invoice = finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)

    assert len(shown_lines) > 2
    assert content(invoice.lines.all()) == shown_lines


def test_late_and_voided_usage_counts_after_the_next_sweep_and_the_page_says_so(
    acme, shop, enabled, edge, many
):
    first, second, third = (JUST_BEFORE + step * MINUTE for step in (-30, -20, -10))

    def report(number, now):
        new = {"month": "2026-10", "started_at": NOON, "bytes_to_client": 1}
        take(edge, record(number, service=shop.pk, **new), now=now)

    def found(now):
        running = running_account_bill(acme, now)
        return sum(minutes_of(running.bill)), running.freshness.complete_to

    report(1, first)
    report(2, first)
    rebuild_stale_periods(now=first)
    report(3, second)
    before = found(second + MINUTE)
    rebuild_stale_periods(now=third)
    after = found(third)
    ConnectionUsage.objects.order_by("pk").last().delete()
    rebuild_usage(now=third)

    assert before == (4, first)  # two connections of two minutes
    assert after == (6, second)  # when the edge reported last
    assert found(third)[0] == 4


def test_a_period_without_new_usage_is_as_fresh_as_its_edges(
    acme, shop, enabled, edge, many
):
    for number in range(2):
        connection_usage(shop, MID_OCTOBER, 5, name=f"e.i.{number}")
    take(edge, record(3, service=shop.pk, started_at=NOON, month="2026-10"), now=NOON)
    rebuild_stale_periods(now=NOON + timedelta(hours=1))
    Edge.objects.update(reported_at=JUST_BEFORE)

    fresh = running_account_bill(acme, JUST_BEFORE).freshness

    assert fresh.complete_to == JUST_BEFORE


def test_a_closed_month_is_shown_after_its_records_are_deleted(
    sam, acme, shop, enabled, edge
):
    take(edge, record(1, service=shop.pk, started_at=NOON, month="2026-10"), now=NOON)
    before = shown(sam, acme)
    rebuild_stale_periods(now=LONG_AFTER)

    ConnectionUsage.objects.all().delete()

    assert shown(sam, acme)[1:] == before[1:]


def test_bounds_that_are_not_kept_yet_are_counted_from_the_records(
    acme, shop, enabled, cut_at_noon, edge, many
):
    for number in range(3):
        connection_usage(shop, NOON - MINUTE, 5, name=f"e.i.{number}")
    take(edge, record(3, service=shop.pk, started_at=NOON, month="2026-10"), now=NOON)
    rebuild_stale_periods(now=JUST_BEFORE)
    before = running_bill(acme, OCTOBER, JUST_BEFORE)

    derive(acme)
    ConnectionUsage.objects.all().delete()

    assert minutes_of(before) == [3, 14]
    assert running_bill(acme, OCTOBER, JUST_BEFORE).lines == before.lines


def test_the_first_days_after_a_month_with_many_connections_are_read_from_periods(
    acme, shop, enabled, edge, many
):
    for number in range(3):
        connection_usage(shop, SEPTEMBER + DAY, 5, name=f"e.i.{number}")
    first = OCTOBER.starts_at("UTC") + timedelta(hours=1)
    take(edge, record(9, service=shop.pk, started_at=first, month="2026-10"), now=first)
    rebuild_usage(now=first)
    ConnectionUsage.objects.all().delete()

    assert minutes_of(running_bill(acme, OCTOBER, first)) == [2]


def test_the_first_hours_of_a_month_in_a_later_zone_are_read_from_periods(
    acme, shop, enabled, edge, many
):
    change_zone(acme, "Asia/Kolkata", OCTOBER.plus(-1))
    for number in range(3):
        connection_usage(shop, SEPTEMBER + DAY, 5, name=f"e.i.{number}")
    take(
        edge,
        record(9, service=shop.pk, started_at=LAST_HOUR, month="2026-09"),
        now=LAST_HOUR,
    )
    derive(acme, LAST_HOUR + MINUTE)
    ConnectionUsage.objects.all().delete()

    assert minutes_of(running_bill(acme, OCTOBER, LAST_HOUR + MINUTE)) == [2]
