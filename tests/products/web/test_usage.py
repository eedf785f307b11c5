"""The Usage page: by day and service, with costs only for those who may see them."""

import csv
import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounts.actor import Actor
from products.billing.commands.budgets import set_budget
from products.billing.commands.closing import finalize_invoice
from products.billing.commands.corrections import correct_month
from products.billing.models import Adjustment, Invoice
from products.billing.queries.running import running_account_bill
from products.catalogue.money import Money
from products.metering.models import ConnectionUsage, Edge
from products.months import Month
from tests.factories import NOW
from tests.factories.usage import connection_usage, delivery_usage, reporting_edge
from tests.products.web.conftest import queries_of, text_of

LATER = NOW + timedelta(days=3)  # 25 November, 12:00
COUNTED = LATER - timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _at_a_later_time():
    with time_machine.travel(LATER, tick=False):
        yield


@pytest.fixture
def edge(db):
    return reporting_edge(LATER)


@pytest.fixture
def used(shop, echo, enabled, edge):
    """23 November: 90 minutes of shop; 24 November: 10 of echo and 3 GB of ordinary HTTP."""
    day = NOW.replace(hour=0) + timedelta(days=1)
    connection_usage(shop, day, 90, month="2026-11", bytes_to_client=10**9)
    connection_usage(echo, day + timedelta(days=1), 10, month="2026-11")
    delivery_usage(echo, day + timedelta(days=1), 3 * 10**9)


def page(browser, actor, **query):
    return browser(actor).get(reverse("usage"), query)


def day_of(answer, name):
    return next(day for day in answer.context["days"] if day.name == name)


def test_minutes_and_bytes_are_shown_by_day_and_by_service(browser, bo, used):
    answer = page(browser, bo)

    days = [day_of(answer, f"{number} Nov") for number in (22, 23, 24, 25)]
    assert [day.minutes for day in days] == [0, 90, 10, 0]
    assert [day.bytes for day in days] == [0, 10**9, 3 * 10**9, 0]
    assert [day.is_complete for day in days] == [True, True, True, False]
    text = text_of(answer)
    assert "Connection minutes 100 2 connections" in text
    assert "shop 1 90 1.000 GB" in text
    assert (
        "Days are those of UTC; the month runs from 1 Nov 2026 00:00 to 1 Dec 2026 00:00 UTC."
        in text
    )


def test_the_chart_and_the_table_have_the_same_days(browser, bo, used):
    answer = page(browser, bo)

    chart, days = answer.context["chart"], answer.context["days"]
    assert len(chart.bars) == sum(not day.is_future for day in days) == 25
    assert len(chart.line.split()) == 26


@pytest.mark.parametrize("who", ["eve", "una"])
def test_engineers_and_users_see_usage_without_prices(request, browser, used, who):
    answer = page(browser, request.getfixturevalue(who))

    assert "Connection minutes 100" in text_of(answer)
    # Also not in attributes; a token may contain the letters by chance.
    assert not re.search(r"\bUSD\b", answer.content.decode())
    assert "Cost" not in text_of(answer)


def test_a_limited_engineer_sees_the_usage_of_their_services_only(browser, lin, used):
    text = text_of(page(browser, lin))

    assert "Connection minutes 90" in text
    assert "echo" not in text


def test_the_budget_is_drawn_for_those_who_see_costs(browser, bo, sam, acme, used):
    set_budget(
        sam,
        account=acme,
        amount=Money.of("20", "USD"),
        thresholds=[100],
        action="notify",
        now=LATER,
    )

    assert "Budget 20.00 USD" in text_of(page(browser, bo))


def test_a_month_without_costs_costs_zero_and_is_not_unknown(
    browser, bo, enabled, edge
):
    assert "Estimate 0.00 USD before credits and tax" in text_of(page(browser, bo))


def test_a_cost_that_rounds_to_zero_is_not_zero(browser, bo, echo, enabled, edge):
    connection_usage(echo, NOW + timedelta(days=1), 5, month="2026-11")

    text = text_of(page(browser, bo))

    assert "Estimate less than 0.01 USD before credits and tax" in text
    assert "less than 0.01 USD All 1 5 0 bytes less than 0.01 USD" in text


def late_usage_of_october(acme, micros):
    """Save late usage of an invoiced month that the next invoice will bill."""
    start = NOW.replace(month=10, day=1, hour=0)
    Adjustment.objects.create(
        corrects=Invoice.objects.create(
            account=acme,
            month="2026-10",
            starts_at=start,
            ends_at=start + timedelta(days=31),
            zone="UTC",
            currency="USD",
            counted_at=NOW,
        ),
        product_id="websockets",
        meter="connection_time",
        quantity=100_000,
        amount_micros=micros,
        found_at=NOW,
    )


def test_the_total_is_that_of_billing_and_of_the_services_with_what_is_of_none(
    browser, bo, acme, shop, enabled, edge
):
    connection_usage(shop, NOW, 20_000, month="2026-11", bytes_to_client=10**12)
    # An edge whose clock is ahead: it has reported what is past the end of today.
    connection_usage(shop, LATER, 10_000, month="2026-11", bytes_to_client=10**12)
    late_usage_of_october(acme, 20_000)

    answer = page(browser, bo)

    total = running_account_bill(acme, LATER).subtotal
    whole = answer.context["whole"]
    (of_shop,) = whole.services.values()
    shown = Money.of(of_shop.removesuffix(" USD").replace(",", ""), "USD")
    assert answer.context["so_far"] == str(total)
    assert whole.others == Money.of("0.02", "USD")
    assert shown + whole.others == total
    text = text_of(answer)
    assert "Fees and late usage 0.02 USD All" in text
    assert f"{total} before credits and tax" in text


def test_the_days_include_late_usage_of_earlier_months(browser, bo, acme, used):
    late_usage_of_october(acme, 20_000)

    days = page(browser, bo).context["days"]

    assert str(days[0].cost.amount) == "0.02 USD"


def test_a_month_with_an_invoice_costs_what_the_invoice_says(
    browser, bo, acme, shop, used
):
    closed = NOW + timedelta(days=15)
    Edge.objects.update(reported_at=closed)
    invoice = finalize_invoice(
        Actor.system("bill-accounts"), account=acme, month=Month(2026, 11), now=closed
    )
    connection_usage(shop, NOW, 40_000, month="2026-11", bytes_to_client=10**12)

    with time_machine.travel(closed, tick=False):
        answer = page(browser, bo, month="2026-11")

    assert answer.context["so_far"] == "less than 0.01 USD"
    assert f"as in {invoice.number}, before credits and tax" in text_of(answer)


def test_a_month_that_was_corrected_after_its_invoice_says_so(
    browser, bo, acme, shop, used
):
    job, month = Actor.system("bill-accounts"), Month(2026, 11)
    closed = NOW + timedelta(days=15)
    Edge.objects.update(reported_at=closed)
    for name in range(50):
        connection_usage(shop, NOW, 10_000, month="2026-11", name=f"c{name}")
    final = finalize_invoice(job, account=acme, month=month, now=closed)
    ConnectionUsage.objects.filter(connection_id__in=["c1", "c2", "c3"]).delete()
    correct_month(job, account=acme, month=month, now=closed)
    for name in range(10):
        connection_usage(shop, NOW, 10_000, month="2026-11", name=f"late{name}")
    correct_month(job, account=acme, month=month, now=closed)

    with time_machine.travel(closed, tick=False):
        of_month = text_of(page(browser, bo, month="2026-11"))
        of_invoice = text_of(browser(bo).get(reverse("invoice", args=[final.number])))

    note = "Credit note CN-000001 WebSockets, connection time: The usage of November 2026 was corrected. 7 Dec 2026 −0.02 USD"
    late = (
        "The next invoice WebSockets, connection time: late usage 7 Dec 2026 0.06 USD"
    )
    in_all = "Billed for November 2026 in all, before credits and tax 0.34 USD"
    assert "before credits and tax; corrected to 0.34 USD" in of_month
    assert [each in of_month for each in (note, late, in_all)] == [True] * 3
    assert [each in of_invoice for each in (note, late, in_all)] == [True] * 3


def test_what_is_not_counted_is_unknown_and_never_zero(browser, bo, used):
    Edge.objects.update(reported_at=COUNTED - timedelta(days=2))

    answer = page(browser, bo)

    assert not day_of(answer, "24 Nov").is_known
    text = text_of(answer)
    assert "24 Nov at least 10" in text
    assert "25 Nov unknown unknown unknown unknown not counted yet" in text
    assert [bar.kind for bar in answer.context["chart"].bars][-3:] == [
        "bar part",
        "gap",
        "gap",
    ]


def test_rounding_up_is_explained_with_a_connection_of_the_account(
    browser, bo, shop, used
):
    row = connection_usage(shop, LATER - timedelta(hours=1), 0, month="2026-11")
    row.duration_us = 231_000_000
    row.save()

    text = text_of(page(browser, bo))

    assert "a connection to shop was open for 3 min 51 s" in text
    assert "It counts as 4 minutes" in text
    assert "open for 1 h 43 min in all; rounded up, they are 104 minutes." in text


def test_the_days_are_those_of_the_accounts_zone(browser, bo, acme, used):
    acme.billing_zone = "Asia/Tokyo"
    acme.save()

    answer = page(browser, bo)

    assert day_of(answer, "23 Nov").minutes == 90
    assert (
        "Days are those of Asia/Tokyo; the month runs from 31 Oct 2026 15:00 to"
        in text_of(answer)
    )


def test_another_month_is_chosen_in_the_address(browser, bo, acme, used):
    acme.created_at = NOW - timedelta(days=200)
    acme.save()

    answer = page(browser, bo, month="2026-10")

    assert "Usage in October 2026" in text_of(answer)
    assert "No usage has been counted in October 2026." in text_of(answer)
    assert page(browser, bo, month="October").status_code == 400


def test_the_csv_has_exact_figures_and_no_formulas(browser, una, shop, used):
    shop.name = "=cmd()"
    shop.save()

    answer = browser(una).get(reverse("usage_csv"), {"month": "2026-11"})

    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    found = {(row["day"], row["service_name"]): row for row in rows}
    assert found["2026-11-23", "'=cmd()"]["minutes"] == "90"
    assert found["2026-11-24", "echo"]["bytes"] == "3000000000"


def test_the_number_of_queries_does_not_grow_with_usage(browser, bo, shop, used):
    few = queries_of(browser(bo), reverse("usage"))
    for hour in range(20):
        connection_usage(shop, NOW + timedelta(hours=hour), 5, month="2026-11")

    assert queries_of(browser(bo), reverse("usage")) == few
