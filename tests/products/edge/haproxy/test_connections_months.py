"""Connections that continue into the next month: bytes of earlier months count once."""

import time

import pytest

from tests.products.edge.fake_portal import route
from tests.products.edge.haproxy.metering import Metering, accept, end, in_table

NEXT_MONTH = "2999-12"  # after whatever month a test runs in


@pytest.fixture
def metering(tmp_path):
    metering = Metering(tmp_path)
    yield metering
    metering.close()


def bytes_by_month(metering):
    return {
        reading.month: reading.bytes_from_client for reading in metering.all_readings()
    }


def continue_into_next_month(metering, *, up):
    """Start a connection whose bytes are `up` in its first month and 0 in the next."""
    connection, started_us = accept(metering)
    metering.read_open(in_table(connection, started_us, up=up))
    following = route("a.test", month=NEXT_MONTH)
    metering.meter.roll_over_months({"a-test": following}, time.time_ns() // 1000)
    return connection, started_us


def read_by_another_agent(metering, connection, started_us, *, up):
    after = metering.another()
    after.read_open(in_table(connection, started_us, up=up))
    after.meter.tick()
    after.close()


def test_bytes_of_an_earlier_month_are_not_counted_again_by_another_agent(metering):
    known = continue_into_next_month(metering, up=100)

    read_by_another_agent(metering, *known, up=130)

    assert bytes_by_month(metering) == {"2026-11": 100, NEXT_MONTH: 30}


def test_bytes_of_an_earlier_month_are_not_counted_again_after_pruning(metering):
    known = continue_into_next_month(metering, up=100)
    metering.prune()

    read_by_another_agent(metering, *known, up=130)

    assert bytes_by_month(metering) == {"2026-11": 100, NEXT_MONTH: 30}


def test_the_earlier_month_is_pruned_after_the_connection_has_ended(metering):
    known = continue_into_next_month(metering, up=100)

    end(metering, *known, up=100, down=0)
    metering.prune()

    assert bytes_by_month(metering) == {}


def test_a_connection_whose_earlier_months_were_lost_is_no_longer_counted(metering):
    """Otherwise its bytes of those months would count for this one again."""
    old, old_us = accept(metering, seconds_ago=70 * 24 * 3600.0)
    young, young_us = accept(metering, seconds_ago=60.0)
    metering.close()
    (metering.folder / "usage.db").write_bytes(b"garbage" * 1000)
    month = time.strftime("%Y-%m", time.gmtime())

    after = metering.another(table_route=route("a.test", month=month))
    after.read_open(in_table(old, old_us, up=500), in_table(young, young_us, up=70))
    after.meter.tick()
    after.close()

    assert bytes_by_month(metering) == {month: 70}
