"""The minutes of the running month on Home, and of seven days on Products and of a service."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from products.calendars import Calendar
from products.services.models import Service
from products.web.recent_usage import month_so_far, recent_usage
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.factories.usage import connection_usage, reporting_edge
from tests.products.web.conftest import queries_of, text_of

MIDNIGHT = NOW.replace(hour=0)
HEADING = "The seven days as a table"


@pytest.fixture(autouse=True)
def _at_a_set_time():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def edge(db):
    return reporting_edge(NOW)


@pytest.fixture
def used(shop, echo, edge):
    connection_usage(shop, MIDNIGHT - timedelta(days=7), 7, month="2026-11")
    connection_usage(shop, MIDNIGHT - timedelta(days=2), 90, month="2026-11")
    connection_usage(echo, MIDNIGHT, 10, month="2026-11")


def test_seven_days_end_with_today(shop, echo, used):
    found = recent_usage([shop.pk, echo.pk], Calendar(), NOW)

    assert [(day.label, day.minutes) for day in found.days] == [
        ("16 Nov", 0),
        ("17 Nov", 0),
        ("18 Nov", 0),
        ("19 Nov", 0),
        ("20 Nov", 90),
        ("21 Nov", 0),
        ("22 Nov", 10),
    ]
    assert [bar.height for bar in found.bars] == [
        *("0.0", "0.0", "0.0", "0.0", "96.0", "0.0", "10.7"),
    ]
    assert [bar.kind for bar in found.bars] == [*["bar"] * 6, "bar part"]


def test_days_follow_the_billing_zone(shop, used):
    found = recent_usage([shop.pk], Calendar("America/New_York"), NOW)

    assert [(day.label, day.minutes) for day in found.days][3] == ("19 Nov", 90)


def test_home_has_the_days_of_the_month_until_today_and_the_cost_line(
    browser, sam, enabled, used
):
    month = browser(sam).get("/").context["month"]

    assert [(day.label, day.minutes) for day in month.days if day.minutes] == [
        *(("15 Nov", 7), ("20 Nov", 90), ("22 Nov", 10)),
    ]
    assert (month.days[0].label, month.today.label) == ("1 Nov", "22 Nov")
    assert (len(month.chart.bars), month.chart.days) == (22, 30)
    assert len(month.chart.line.split()) == 23


def test_home_has_the_figures_of_the_usage_page(browser, sam, echo, enabled, used):
    """The usage of a service that is deleted now counts on both."""
    Service.objects.filter(pk=echo.pk).update(deleted_at=NOW)
    client = browser(sam)
    month = client.get("/").context["month"]

    days = client.get(reverse("usage")).context["days"]
    shown = [(day.minutes, day.cost.amount.micros) for day in days if not day.is_future]
    assert [(day.minutes, day.total) for day in month.days] == shown
    assert month.busiest.label == "20 Nov"


def test_each_sees_the_minutes_of_their_own_services(browser, sam, lin, enabled, used):
    everything, only_shop = (text_of(browser(actor).get("/")) for actor in (sam, lin))

    assert "107 minutes since 1 Nov: today 10, most on 20 Nov with 90." in everything
    assert "97 minutes since 1 Nov: today 0, most on 20 Nov with 90." in only_shop


def test_home_has_no_cost_line_for_those_who_see_no_costs(browser, una, enabled, used):
    answer = browser(una).get("/")

    assert answer.context["month"].chart.line == ""
    assert "the cost so far" not in text_of(answer)


def test_the_month_of_an_account_follows_its_billing_zone(acme, shop, used):
    acme.billing_zone = "Pacific/Auckland"
    month = month_so_far(acme, [shop.pk], NOW.replace(day=30, hour=12), None)

    assert [day.label for day in month.days] == ["1 Dec"]
    assert (month.minutes, month.chart.days) == (0, 31)


def test_the_queries_of_home_do_not_depend_on_the_days_or_what_was_used(
    browser, sam, acme, enabled, used
):
    client = browser(sam)
    before = queries_of(client, "/")
    for number in range(5):
        service = ServiceFactory.create(account=acme, name=f"more-{number}")
        start = MIDNIGHT - timedelta(days=number)
        connection_usage(service, start, 60, month="2026-11")

    assert queries_of(client, "/") == before


def test_products_shows_those_of_all_services_and_a_service_its_own(
    browser, sam, switched_on, used
):
    client = browser(sam)
    everything, own = (
        text_of(client.get(page)).split(HEADING)[1]
        for page in ("/products/", reverse("service", args=[switched_on.pk]))
    )

    assert "20 Nov 90 21 Nov 0 22 Nov (today) 10" in everything
    assert "20 Nov 0 21 Nov 0 22 Nov (today) 10" in own


@pytest.mark.parametrize("page", ["/products/", "/services/{echo}/"])
def test_without_the_product_nothing_is_shown(browser, sam, echo, used, page):
    assert HEADING not in text_of(browser(sam).get(page.format(echo=echo.pk)))


def test_days_without_a_report_are_unknown(shop):
    found = recent_usage([shop.pk], Calendar(), NOW)

    assert {day.is_known for day in found.days} == {False}
    assert {bar.kind for bar in found.bars} == {"gap"}


def test_home_without_the_product_has_no_chart(browser, sam, used):
    assert browser(sam).get("/").context["month"] is None
