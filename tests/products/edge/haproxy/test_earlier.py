"""Months before, of connections that live on: their bytes are counted once."""

import json
import time

import pytest

from products.edge.spool import records, segments
from tests.products.edge.fake_portal import route
from tests.products.edge.haproxy.ledger_desk import Desk, in_table, line_of

NEXT_MONTH = "9999-12"  # after whatever month a test runs in


@pytest.fixture
def desk(tmp_path):
    one = Desk(tmp_path / "boot")
    yield one
    one.spool.close()


def bytes_by_month(desk):
    found = {}
    for _, path in segments(desk.folder):
        for payload, _ in records(path.read_bytes()):
            values = json.loads(payload)
            found[values[3]] = values[6]
    return found


def lives_on(desk, *, up):
    """Have a connection whose bytes are `up` in its first month, 0 in the next."""
    connection, started_us = line_of(desk)
    desk.ledger.read_open(
        [in_table(connection, started_us, up=up)], time.monotonic_ns()
    )
    following = route("a.test", month=NEXT_MONTH)
    desk.ledger.turn_months({"a-test": following}, time.time_ns() // 1000)
    return connection, started_us


def read_by_another_agent(desk, connection, started_us, *, up):
    after = Desk(desk.folder)
    after.ledger.resume()
    after.ledger.read_open(
        [in_table(connection, started_us, up=up)], time.monotonic_ns()
    )
    after.meter.tick()
    after.spool.close()
    return after


def test_bytes_of_an_earlier_month_are_not_counted_again_by_another_agent(desk):
    known = lives_on(desk, up=100)
    desk.meter.tick()

    read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {"2026-11": 100, NEXT_MONTH: 30}


def test_nor_when_the_spool_has_forgotten_the_earlier_month(desk):
    known = lives_on(desk, up=100)
    first_month = segments(desk.folder)[0][1]
    between = Desk(desk.folder)
    between.ledger.resume()
    between.meter.tick()
    between.spool.close()
    first_month.unlink()

    read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {NEXT_MONTH: 30}


def test_nor_when_an_agent_ended_right_at_the_months_turn(desk):
    known = lives_on(desk, up=100)

    read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {"2026-11": 100, NEXT_MONTH: 30}


def test_where_nobody_knows_an_earlier_months_bytes_what_is_unsaid_is_not_counted(desk):
    known = lives_on(desk, up=100)
    first_month = segments(desk.folder)[0][1]
    between = Desk(desk.folder)
    between.ledger.resume()
    between.ledger.read_open([in_table(*known, up=110)], time.monotonic_ns())
    between.meter.tick()
    between.spool.close()
    first_month.unlink()
    (desk.folder / "earlier.json").write_bytes(b"{")

    after = read_by_another_agent(desk, *known, up=130)

    assert bytes_by_month(desk) == {NEXT_MONTH: 10}
    after.ledger.turn_months({}, 0)  # what it settled on stands for the next
    read_by_another_agent(desk, *known, up=150)
    assert bytes_by_month(desk) == {NEXT_MONTH: 30}


def test_what_months_before_have_had_is_forgotten_with_the_connection(desk):
    connection, _ = lives_on(desk, up=100)
    kept = desk.folder / "earlier.json"
    assert len(json.loads(kept.read_bytes())) == 1

    desk.ledger.ended(connection, duration_us=1_000, from_client=100, to_client=0)
    Desk(desk.folder).ledger.resume()

    assert json.loads(kept.read_bytes()) == {}


def test_a_disk_that_refuses_the_earlier_months_is_asked_again(desk):
    kept = desk.folder / "earlier.json"
    kept.mkdir()
    lives_on(desk, up=100)
    kept.rmdir()

    desk.ledger.turn_months({}, 0)

    assert len(json.loads(kept.read_bytes())) == 1
