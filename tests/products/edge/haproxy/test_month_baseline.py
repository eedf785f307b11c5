"""Months before, of connections that live on: their bytes are counted once."""

import time

import pytest

from tests.products.edge.fake_portal import route
from tests.products.edge.haproxy.connections_desk import Desk, in_table, line_of

NEXT_MONTH = "2999-12"  # after whatever month a test runs in


@pytest.fixture
def desk(tmp_path):
    one = Desk(tmp_path / "usage" / "INSTANCE")
    yield one
    one.close()


def bytes_by_month(desk):
    return {one.month: one.bytes_from_client for one in desk.all_readings()}


def lives_on(desk, *, up):
    """Have a connection whose bytes are `up` in its first month, 0 in the next."""
    connection, started_us = line_of(desk)
    desk.tracker.read_open(
        [in_table(connection, started_us, up=up)], time.monotonic_ns()
    )
    following = route("a.test", month=NEXT_MONTH)
    desk.meter.roll_over_months({"a-test": following}, time.time_ns() // 1000)
    return connection, started_us


def read_by_another_agent(desk, connection, started_us, *, up):
    desk.close()
    after = Desk(desk.folder)
    after.tracker.read_open(
        [in_table(connection, started_us, up=up)], time.monotonic_ns()
    )
    after.meter.tick()
    after.close()


def test_bytes_of_an_earlier_month_are_not_counted_again_by_another_agent(desk):
    known = lives_on(desk, up=100)

    read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {"2026-11": 100, NEXT_MONTH: 30}


def test_nor_when_everything_was_pruned_that_may_be(desk):
    known = lives_on(desk, up=100)
    desk.store.prune(1_000, 1e12)

    read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {"2026-11": 100, NEXT_MONTH: 30}


def test_the_earlier_month_goes_with_its_connection(desk):
    connection, _ = lives_on(desk, up=100)

    desk.tracker.ended(connection, duration_us=1_000, from_client=100, to_client=0)
    desk.store.prune(1_000, 1e12)

    assert bytes_by_month(desk) == {}


def test_a_connection_whose_earlier_months_were_lost_is_counted_no_more(desk):
    """Else its bytes of those months would count for this one again."""
    old, old_us = line_of(desk, seconds_ago=70 * 24 * 3600.0)
    young, young_us = line_of(desk, seconds_ago=60.0)
    desk.close()
    (desk.folder / "usage.db").write_bytes(b"garbage" * 1000)
    month = time.strftime("%Y-%m", time.gmtime())

    after = Desk(desk.folder)
    after.tracker._route_of = {"a-test": route("a.test", month=month)}.get
    after.tracker.read_open(
        [in_table(old, old_us, up=500), in_table(young, young_us, up=70)],
        time.monotonic_ns(),
    )
    after.meter.tick()
    after.close()

    assert bytes_by_month(desk) == {month: 70}
