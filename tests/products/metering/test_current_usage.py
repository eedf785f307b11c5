"""Open connections, usage of today, and since when it is unknown."""

from datetime import UTC, datetime, timedelta

import pytest

from products.calendars import Calendar
from products.metering.commands import presume_closed
from products.metering.models import ConnectionUsage, Edge
from products.metering.queries import (
    ActivityTotals,
    ConnectionTotals,
    current_usage,
    open_connections,
    unknown_since,
    usage_of,
)
from products.metering.queries.daily import usage_up_to
from products.months import Month
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import MINUTE_US, make_edge, record, take

HALLOWEEN = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def edge(db) -> Edge:
    return make_edge()


def minutes_in(account, *months: str) -> list[int]:
    return [usage_of(account.pk, Month.read(each)).total.minutes for each in months]


def test_open_connections_are_counted_by_service_and_edge(edge, shop):
    other = make_edge("edge-2")
    take(
        edge,
        record(1, service=shop.pk),
        record(2, service=shop.pk),
        record(3, service=shop.pk, final=True),
        record(4, service="another"),
    )
    take(other, record(5, edge="edge-2", service=shop.pk))

    found = open_connections([shop.pk], NOW)

    assert found.by_service_and_edge == {
        (shop.pk, "edge-1"): 2,
        (shop.pk, "edge-2"): 1,
    }
    assert (found.total, found.of(shop.pk), found.of("another")) == (3, 3, 0)


def test_connection_that_continues_in_a_new_month_is_open_once(edge, shop):
    one = {"service": shop.pk, "started_at": HALLOWEEN}
    take(
        edge,
        record(**one, month="2026-10"),
        record(**one, month="2026-11", duration_us=10**9),
    )

    assert open_connections([shop.pk], NOW).total == 1


def test_connection_that_ended_in_a_new_month_is_not_open_in_the_old_one(edge, shop):
    one = {"service": shop.pk, "started_at": HALLOWEEN}
    take(
        edge,
        record(**one, month="2026-10"),
        record(**one, month="2026-11", duration_us=10**9, final=True),
    )

    assert open_connections([shop.pk], NOW).total == 0


def test_connection_without_a_report_for_five_minutes_is_not_open(edge, shop):
    take(edge, record(service=shop.pk))
    almost = NOW + timedelta(minutes=5) - timedelta(microseconds=1)
    after = NOW + timedelta(minutes=5)

    assert open_connections([shop.pk], almost).total == 1
    assert open_connections([shop.pk], after).total == 0
    assert minutes_in(shop.account, "2026-11") == [2]


def test_sweep_presumes_it_closed_and_a_later_report_opens_it_again(edge, shop):
    take(edge, record(service=shop.pk))
    after = NOW + timedelta(minutes=5)

    marked = [presume_closed(NOW + timedelta(minutes=4)), presume_closed(after)]

    row = ConnectionUsage.objects.get()
    assert marked == [0, 1]
    assert (row.presumed_closed_at, row.final) == (after, False)
    take(edge, record(service=shop.pk), now=after)
    assert open_connections([shop.pk], after).total == 0
    take(edge, record(service=shop.pk, duration_us=10 * MINUTE_US), now=after)
    row.refresh_from_db()
    assert row.presumed_closed_at is None
    assert open_connections([shop.pk], after).total == 1
    assert minutes_in(shop.account, "2026-11") == [10]


def test_sweep_does_not_mark_the_row_of_an_earlier_month(edge, shop):
    one = {"service": shop.pk, "started_at": HALLOWEEN}
    take(
        edge,
        record(**one, month="2026-10"),
        record(**one, month="2026-11", duration_us=10**9, final=True),
    )

    assert presume_closed(NOW + timedelta(hours=1)) == 0


def test_today_starts_at_midnight_in_the_zone_of_the_account(edge, shop):
    tokyo, midnight = Calendar("Asia/Tokyo"), datetime(2026, 11, 22, 15, tzinfo=UTC)
    now = midnight + timedelta(minutes=10)
    take(
        edge,
        record(
            1,
            service=shop.pk,
            started_at=midnight - timedelta(minutes=2),
            duration_us=5 * MINUTE_US,
        ),
        record(2, service=shop.pk, started_at=midnight - timedelta(hours=1)),
        now=now,
    )

    found = current_usage([shop.pk], calendar=tokyo, now=now)

    assert found.today == ConnectionTotals(minutes=3, connections=1)
    assert (found.open.total, found.unknown_since) == (2, None)


def test_current_usage_is_split_by_edge_and_by_service(edge, shop):
    chat, other = ServiceFactory.create(account=shop.account), make_edge("edge-2")
    take(
        edge,
        record(1, service=shop.pk),
        record(2, service=shop.pk, final=True),
        record(3, service=chat.pk, duration_us=1),
    )
    take(
        other,
        record(
            4, edge="edge-2", service=shop.pk, duration_us=3 * MINUTE_US, final=True
        ),
    )

    found = current_usage([shop.pk, chat.pk], calendar=Calendar(), now=NOW)

    assert found.by_edge == {
        "edge-1": ActivityTotals(2, ConnectionTotals(minutes=5, connections=3)),
        "edge-2": ActivityTotals(0, ConnectionTotals(minutes=3, connections=1)),
    }
    assert found.by_service == {
        shop.pk: ActivityTotals(1, ConnectionTotals(minutes=7, connections=3)),
        chat.pk: ActivityTotals(1, ConnectionTotals(minutes=1, connections=1)),
    }
    assert found.today == ConnectionTotals(minutes=8, connections=4)


def test_current_usage_takes_four_queries_for_any_number_of_edges(
    edge, shop, django_assert_num_queries
):
    take(edge, record(1, service=shop.pk))
    take(make_edge("edge-2"), record(2, edge="edge-2", service=shop.pk))
    take(make_edge("edge-3"), record(3, edge="edge-3", service=shop.pk))

    with django_assert_num_queries(4):
        found = current_usage([shop.pk], calendar=Calendar(), now=NOW)

    assert list(found.by_edge) == ["edge-1", "edge-2", "edge-3"]


def test_what_a_page_knows_of_the_month_is_not_read_again(
    edge, shop, django_assert_num_queries
):
    take(edge, record(1, service=shop.pk))
    bounds = Calendar().days(Month.at(NOW, "UTC"))
    known = usage_up_to([shop.pk], Month.at(NOW, "UTC"), bounds)

    with django_assert_num_queries(3):
        found = current_usage([shop.pk], calendar=Calendar(), now=NOW, known=known)

    assert found == current_usage([shop.pk], calendar=Calendar(), now=NOW)


def test_usage_is_unknown_since_the_last_request_of_an_offline_edge(edge):
    take(edge, now=NOW)
    take(make_edge("edge-2"), now=NOW + timedelta(seconds=20))
    make_edge("never-used")

    online = unknown_since([], NOW + timedelta(seconds=30))
    offline = unknown_since([], NOW + timedelta(seconds=31))

    assert (online, offline) == (None, NOW)


@pytest.mark.parametrize(
    "records, after, since",
    [
        pytest.param([], timedelta(hours=1), NOW, id="within an hour"),
        pytest.param([], timedelta(hours=1, seconds=1), None, id="after an hour"),
        pytest.param([record()], timedelta(hours=5), NOW, id="with an open connection"),
        pytest.param(
            [record(final=True)],
            timedelta(hours=5),
            None,
            id="with an ended connection",
        ),
        pytest.param([record()], timedelta(hours=13), None, id="of yesterday"),
        pytest.param(
            [record(service="another")],
            timedelta(hours=5),
            None,
            id="of another account",
        ),
    ],
)
def test_edge_that_stays_offline_matters_to_accounts_with_connections_there(
    edge, records, after, since
):
    take(edge, *records)

    found = current_usage(["service-1"], calendar=Calendar(), now=NOW + after)

    assert found.unknown_since == since
