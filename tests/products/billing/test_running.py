"""The running bill by product and service, its forecast, and its costs by day."""

from datetime import UTC, datetime, timedelta

import pytest

from products.billing.commands.closing import finalize_invoice
from products.billing.queries.bills import computed_bill
from products.billing.queries.running import (
    Forecast,
    costs_of_month,
    running_account_bill,
)
from products.catalogue.money import Money
from products.metering.models import Edge
from tests.factories.usage import connection_usage
from tests.products.billing.conftest import CLOSED, MID_OCTOBER, OCTOBER
from tests.products.billing.test_closing import JOB

DAY = timedelta(days=1)


def usd(amount):
    return Money.of(amount, "USD")


def reported(at, *, seen=None):
    return Edge.objects.create(
        name="edge-1",
        digest="x",
        created_at=at,
        reported_at=at,
        last_seen_at=seen or at,
    )


def connections(service, started_at, minutes, *, count=100, **fields):
    """Save so many connections, each of so many minutes."""
    for _ in range(count):
        connection_usage(service, started_at, minutes, **fields)


def costs(rows):
    return [(row.name, row.text) for row in rows]


def test_the_bill_so_far_is_split_by_product_and_service(acme, shop, echo, enabled):
    connections(shop, MID_OCTOBER - DAY, 9_000)
    connections(echo, MID_OCTOBER - DAY, 3_000)

    found = running_account_bill(acme, MID_OCTOBER)

    assert costs(found.products) == [("WebSockets", "0.72 USD")]
    assert costs(found.services) == [("shop", "0.54 USD"), ("echo", "0.18 USD")]
    assert found.text == "0.72 USD"


def test_what_rounds_to_zero_is_less_than_a_cent_and_not_zero(acme, shop, enabled):
    connection_usage(shop, MID_OCTOBER - DAY, 4)

    found = running_account_bill(acme, MID_OCTOBER)

    assert found.text == "less than 0.01 USD"
    assert costs(found.services) == [("shop", "less than 0.01 USD")]


def test_the_month_is_forecast_from_the_mean_of_the_last_whole_days(
    acme, shop, enabled
):
    reported(MID_OCTOBER)
    for day in range(8, 15):  # seven days of 140,000 minutes
        connections(shop, datetime(2026, 10, day, tzinfo=UTC), 1_400)

    found = running_account_bill(acme, MID_OCTOBER)

    # 980,000 minutes so far, and 17 more days of 140,000: 3.36 million at 0.60.
    assert found.text == "0.59 USD"
    assert found.forecast == Forecast(usd("2.02"), 7)


def test_without_a_whole_day_there_is_no_forecast(acme, shop, enabled):
    reported(OCTOBER.starts_at("UTC") + timedelta(hours=23))
    connection_usage(shop, OCTOBER.starts_at("UTC"), 60)

    found = running_account_bill(acme, OCTOBER.starts_at("UTC") + timedelta(hours=23))

    assert found.forecast is None


def test_days_before_the_account_was_created_are_not_counted(acme, websockets):
    reported(MID_OCTOBER)
    acme.created_at = MID_OCTOBER - 2 * DAY - timedelta(hours=1)
    earlier = running_account_bill(acme, MID_OCTOBER)
    acme.created_at = MID_OCTOBER - timedelta(minutes=5)
    new = running_account_bill(acme, MID_OCTOBER)

    assert earlier.forecast == Forecast(usd("0.00"), 2)
    assert new.forecast is None


def test_an_offline_edge_is_named_with_its_time(acme, enabled):
    reported(MID_OCTOBER - DAY, seen=MID_OCTOBER - timedelta(hours=1))

    fresh = running_account_bill(acme, MID_OCTOBER).freshness

    assert fresh.complete_to == MID_OCTOBER - DAY
    assert (fresh.offline, fresh.offline_since) == (1, MID_OCTOBER - timedelta(hours=1))


@pytest.mark.parametrize("minutes", [7, 40_000])
def test_the_costs_by_day_end_at_the_invoice(acme, shop, echo, enabled, minutes):
    start = OCTOBER.starts_at("UTC")
    for service, day in ((shop, 2), (echo, 9), (shop, 30)):
        connections(service, start + DAY * day, minutes, bytes_to_client=10**9)

    by_day = [each.amount for each in costs_of_month(acme, OCTOBER, CLOSED).days]

    assert len(by_day) == 31
    assert by_day == sorted(by_day, key=lambda each: each.micros)
    assert by_day[-1] == computed_bill(acme, OCTOBER, CLOSED).subtotal
    invoice = finalize_invoice(JOB, account=acme, month=OCTOBER, now=CLOSED)
    assert by_day[-1] == invoice.subtotal
    invoiced = costs_of_month(acme, OCTOBER, CLOSED)
    assert [each.amount for each in invoiced.days] == by_day
    assert by_day[0] == usd("0.00")
