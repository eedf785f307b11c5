"""The minutes of the last seven days: on Home, on Products and of a service."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from products.calendars import Calendar
from products.web.recent_usage import recent_usage
from tests.factories import NOW
from tests.factories.usage import connection_usage, reporting_edge
from tests.products.web.conftest import text_of

MIDNIGHT = NOW.replace(hour=0)
HEADING = "Connection minutes per day:"


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


def test_each_sees_the_minutes_of_their_own_services(browser, sam, lin, enabled, used):
    everything, only_shop = (
        text_of(browser(actor).get("/")).split(HEADING)[1] for actor in (sam, lin)
    )

    assert "20 Nov 90, 21 Nov 0, 22 Nov 10." in everything.replace("\xa0", " ")
    assert "20 Nov 90, 21 Nov 0, 22 Nov 0." in only_shop.replace("\xa0", " ")


def test_products_shows_those_of_all_services_and_a_service_its_own(
    browser, sam, switched_on, used
):
    client = browser(sam)
    everything, own = (
        text_of(client.get(page)).split(HEADING)[1].replace("\xa0", " ")
        for page in ("/products/", reverse("service", args=[switched_on.pk]))
    )

    assert "20 Nov 90, 21 Nov 0, 22 Nov 10." in everything
    assert "20 Nov 0, 21 Nov 0, 22 Nov 10." in own


@pytest.mark.parametrize("page", ["/", "/products/", "/services/{echo}/"])
def test_without_the_product_nothing_is_shown(browser, sam, echo, used, page):
    assert HEADING not in text_of(browser(sam).get(page.format(echo=echo.pk)))


def test_days_without_a_report_are_unknown(shop):
    found = recent_usage([shop.pk], Calendar(), NOW)

    assert {day.is_known for day in found.days} == {False}
    assert {bar.kind for bar in found.bars} == {"gap"}
