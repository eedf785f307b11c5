"""Connections counted out of lines and tables, whichever comes, in whatever order."""

import json
import time
import uuid

import pytest

from products.edge.haproxy.control import TableEntry
from products.edge.haproxy.frontend import EXPIRE_MS
from products.edge.haproxy.ledger import Ledger, number_of
from products.edge.journal import read_entry
from products.edge.meter import Meter
from products.edge.spool import Spool, records, segments
from tests.products.edge.fake_portal import route

NEXT_MONTH = "9999-12"  # after whatever month a test runs in


class Desk:
    """A ledger with a spool of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.spool = Spool(folder, segment_bytes=1_000_000)
        self.meter = Meter(self.spool)
        self.ledger = Ledger(self.meter, folder, {"a-test": route("a.test")}.get)

    def entries(self):
        found = [
            read_entry(payload)
            for _, path in segments(self.folder)
            for payload, _ in records(path.read_bytes())
        ]
        return {entry.number: entry for entry in found}


@pytest.fixture
def desk(tmp_path):
    one = Desk(tmp_path / "boot")
    yield one
    one.spool.close()


def line_of(desk, seconds_ago=10.0):
    connection = str(uuid.uuid4())
    started_us = int((time.time() - seconds_ago) * 1_000_000)
    desk.ledger.accepted(connection, "a-test", started_us)
    return connection, started_us


def in_table(connection, started_us, *, up=0, down=0, is_used=True, quiet_ms=0):
    return TableEntry(
        f"a-test|{connection}|{started_us // 1000}",
        is_used,
        EXPIRE_MS - quiet_ms,
        {"bytes_in_cnt": up, "bytes_out_cnt": down, "conn_cur": int(is_used)},
    )


def test_the_accept_line_is_the_first_record(desk):
    connection, started_us = line_of(desk)

    (entry,) = desk.entries().values()
    assert entry.number == number_of(connection)
    assert (entry.service, entry.month, entry.started_us) == (
        "a-test",
        "2026-11",
        started_us,
    )
    assert not entry.final
    assert desk.ledger.open_services == {"a-test"}


def test_the_end_line_is_the_final_record(desk):
    connection, _ = line_of(desk)

    desk.ledger.ended(connection, duration_us=9_000_000, from_client=7, to_client=8)
    desk.ledger.ended(connection, duration_us=9_999_999, from_client=70, to_client=80)

    (entry,) = desk.entries().values()
    assert (entry.duration_us, entry.bytes_from_client, entry.bytes_to_client) == (
        9_000_000, 7, 8,
    )  # fmt: skip
    assert entry.final


def test_a_reading_of_the_table_counts_and_never_goes_back(desk):
    connection, started_us = line_of(desk)

    desk.ledger.read_open(
        [in_table(connection, started_us, up=100, down=200)], time.monotonic_ns()
    )
    desk.ledger.read_open(
        [in_table(connection, started_us, up=50, down=60)], time.monotonic_ns()
    )
    desk.meter.tick()

    (entry,) = desk.entries().values()
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 200)


def test_a_connection_of_whose_beginning_no_line_came_is_known_from_the_table(desk):
    connection = str(uuid.uuid4())
    started_us = (time.time_ns() // 1_000_000_000 - 60) * 1_000_000

    desk.ledger.read_open([in_table(connection, started_us, up=5)], time.monotonic_ns())

    (entry,) = desk.entries().values()
    assert (entry.number, entry.started_us) == (number_of(connection), started_us)
    assert desk.ledger.unheard == 1
    desk.ledger.accepted(connection, "a-test", started_us)
    assert desk.ledger.unheard == 0


def test_a_connection_that_vanished_is_ended_when_it_was_last_there(desk):
    connection, started_us = line_of(desk)
    desk.ledger.read_open([in_table(connection, started_us, up=5)], time.monotonic_ns())

    assert not desk.ledger.read_open([], time.monotonic_ns())
    assert desk.ledger.read_open([], time.monotonic_ns())
    desk.ledger.settle([], time.monotonic_ns())

    (entry,) = desk.entries().values()
    assert entry.final
    assert 9_000_000 <= entry.duration_us < 12_000_000
    assert desk.ledger.open_services == frozenset()


def test_the_table_knows_when_a_connection_ended_that_had_no_end_line(desk):
    connection, started_us = line_of(desk, seconds_ago=100.0)
    gone = in_table(connection, started_us, up=9, is_used=False, quiet_ms=40_000)

    desk.ledger.settle([gone], time.monotonic_ns())

    (entry,) = desk.entries().values()
    assert entry.final
    assert entry.bytes_from_client == 9
    assert 59_000_000 <= entry.duration_us <= 62_000_000


def test_an_ended_connection_does_not_rise_again(desk):
    connection, started_us = line_of(desk)
    desk.ledger.ended(connection, duration_us=1_000, from_client=1, to_client=1)

    desk.ledger.read_open(
        [in_table(connection, started_us, up=999)], time.monotonic_ns()
    )
    desk.ledger.accepted(connection, "a-test", started_us)
    desk.meter.tick()

    (entry,) = desk.entries().values()
    assert entry.final
    assert entry.bytes_from_client == 1


def gone_lines(desk, count):
    """Have so many connections end with their lines; gives their entries in the table."""
    entries = []
    for _ in range(count):
        connection, started_us = line_of(desk)
        desk.ledger.ended(connection, duration_us=9_000_000, from_client=1, to_client=1)
        entries.append(
            in_table(connection, started_us, up=5, is_used=False, quiet_ms=1_000)
        )
    return entries


def test_more_ended_connections_than_are_remembered_do_not_rise_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("products.edge.haproxy.ledger.REMEMBERED", 2)
    desk = Desk(tmp_path)
    asked_ns = time.monotonic_ns()
    entries = gone_lines(desk, 7)
    before = desk.entries()

    desk.ledger.settle(entries, asked_ns)
    desk.spool.close()

    assert desk.entries() == before
    assert desk.ledger.unheard == 0


def test_nor_in_the_sight_of_another_agent(tmp_path, monkeypatch):
    monkeypatch.setattr("products.edge.haproxy.ledger.REMEMBERED", 2)
    desk = Desk(tmp_path)
    asked_ns = time.monotonic_ns()
    entries = gone_lines(desk, 7)
    before = desk.entries()
    desk.spool.close()

    after = Desk(tmp_path)
    after.ledger.resume()
    after.ledger.settle(entries, asked_ns)
    after.spool.close()

    assert after.entries() == before


def test_what_ended_unsaid_after_those_that_are_forgotten_is_counted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("products.edge.haproxy.ledger.REMEMBERED", 2)
    desk = Desk(tmp_path)
    entries = gone_lines(desk, 7)
    known = {number_of(one.key.split("|")[1]) for one in entries}
    unsaid = str(uuid.uuid4())
    open_one, open_us = line_of(desk, seconds_ago=100.0)

    desk.ledger.settle(
        [
            in_table(unsaid, open_us, up=7, is_used=False),
            in_table(open_one, open_us, up=8, is_used=False, quiet_ms=90_000),
        ],
        time.monotonic_ns() + 60_000_000_000,
    )
    desk.spool.close()

    more = {n: one for n, one in desk.entries().items() if n not in known}
    assert {number: one.bytes_from_client for number, one in more.items()} == {
        number_of(unsaid): 7,
        number_of(open_one): 8,
    }
    assert all(one.final for one in more.values())


def test_a_key_that_is_none_is_passed_over(desk):
    desk.ledger.read_open(
        [TableEntry(key, True, 1, {}) for key in ("", "a", "a|b|c", "a|x|1")],
        time.monotonic_ns(),
    )

    assert desk.entries() == {}


def test_another_agent_takes_up_what_is_open_and_leaves_what_has_ended(desk):
    connection, started_us = line_of(desk)
    ended, _ = line_of(desk)
    desk.ledger.ended(ended, duration_us=1_000, from_client=1, to_client=1)
    desk.ledger.read_open(
        [in_table(connection, started_us, up=100, down=100)], time.monotonic_ns()
    )
    desk.meter.tick()

    after = Desk(desk.folder)
    after.ledger.resume()
    after.ledger.accepted(ended, "a-test", started_us)
    after.ledger.read_open(
        [in_table(connection, started_us, up=90, down=300)], time.monotonic_ns()
    )
    after.ledger.ended(connection, duration_us=20_000_000, from_client=0, to_client=0)
    after.spool.close()

    found = after.entries()
    assert len(found) == 2
    entry = found[number_of(connection)]
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 300)
    assert (entry.duration_us, entry.final) == (20_000_000, True)


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


def test_an_id_becomes_a_number_that_fits_the_portals_column():
    edge, boot = "e" * 60, "0" * 26

    longest = number_of("ffffffff-ffff-ffff-ffff-ffffffffffff")

    assert len(f"{edge}.{boot}.{longest}") <= 128
