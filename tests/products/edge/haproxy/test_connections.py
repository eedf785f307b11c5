"""Connections counted out of lines and tables, whichever comes, in whatever order."""

import time
import uuid

import pytest

from products.edge.haproxy.connections import number_of
from products.edge.haproxy.master_socket import TableEntry
from products.edge.usage.database import StoreUnwritable
from tests.products.edge.haproxy.connections_desk import Desk, in_table, line_of


@pytest.fixture
def desk(tmp_path):
    one = Desk(tmp_path / "usage" / "INSTANCE")
    yield one
    one.close()


def test_the_accept_line_is_the_first_record(desk):
    connection, started_us = line_of(desk)

    (entry,) = desk.readings().values()
    assert entry.number == number_of(connection)
    assert (entry.service, entry.month, entry.started_us) == (
        "a-test",
        "2026-11",
        started_us,
    )
    assert not entry.final
    assert desk.tracker.open_services == {"a-test"}


def test_the_end_line_is_the_final_record(desk):
    connection, _ = line_of(desk)

    desk.tracker.ended(connection, duration_us=9_000_000, from_client=7, to_client=8)
    desk.tracker.ended(connection, duration_us=9_999_999, from_client=70, to_client=80)

    (entry,) = desk.readings().values()
    assert (entry.duration_us, entry.bytes_from_client, entry.bytes_to_client) == (
        9_000_000, 7, 8,
    )  # fmt: skip
    assert entry.final


def test_a_reading_of_the_table_counts_and_never_goes_back(desk):
    connection, started_us = line_of(desk)

    desk.tracker.read_open(
        [in_table(connection, started_us, up=100, down=200)], time.monotonic_ns()
    )
    desk.tracker.read_open(
        [in_table(connection, started_us, up=50, down=60)], time.monotonic_ns()
    )
    desk.meter.tick()

    (entry,) = desk.readings().values()
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 200)


def test_a_connection_of_whose_beginning_no_line_came_is_known_from_the_table(desk):
    connection = str(uuid.uuid4())
    started_us = (time.time_ns() // 1_000_000_000 - 60) * 1_000_000

    desk.tracker.read_open(
        [in_table(connection, started_us, up=5)], time.monotonic_ns()
    )

    (entry,) = desk.readings().values()
    assert (entry.number, entry.started_us) == (number_of(connection), started_us)
    assert desk.tracker.unannounced == 1
    desk.tracker.accepted(connection, "a-test", started_us)
    assert desk.tracker.unannounced == 0


def test_a_connection_that_vanished_is_ended_when_it_was_last_there(desk):
    connection, started_us = line_of(desk)
    desk.tracker.read_open(
        [in_table(connection, started_us, up=5)], time.monotonic_ns()
    )

    assert not desk.tracker.read_open([], time.monotonic_ns())
    assert desk.tracker.read_open([], time.monotonic_ns())
    desk.tracker.settle([], time.monotonic_ns())

    (entry,) = desk.readings().values()
    assert entry.final
    assert 9_000_000 <= entry.duration_us < 12_000_000
    assert desk.tracker.open_services == frozenset()


def test_the_table_knows_when_a_connection_ended_that_had_no_end_line(desk):
    connection, started_us = line_of(desk, seconds_ago=100.0)
    gone = in_table(connection, started_us, up=9, is_used=False, quiet_ms=40_000)

    desk.tracker.settle([gone], time.monotonic_ns())

    (entry,) = desk.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 9
    assert 59_000_000 <= entry.duration_us <= 62_000_000


def test_an_ended_connection_is_not_counted_again(desk):
    connection, started_us = line_of(desk)
    desk.tracker.ended(connection, duration_us=1_000, from_client=1, to_client=1)

    desk.tracker.read_open(
        [in_table(connection, started_us, up=999)], time.monotonic_ns()
    )
    desk.tracker.accepted(connection, "a-test", started_us)
    desk.meter.tick()

    (entry,) = desk.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 1


def gone_lines(desk, count):
    """Have so many connections end with their lines; gives their entries in the table."""
    entries = []
    for _ in range(count):
        connection, started_us = line_of(desk)
        desk.tracker.ended(
            connection, duration_us=9_000_000, from_client=1, to_client=1
        )
        entries.append(
            in_table(connection, started_us, up=5, is_used=False, quiet_ms=1_000)
        )
    return entries


def test_ended_connections_are_left_out_of_a_whole_table(desk):
    gone = gone_lines(desk, 7)
    open_one, open_us = line_of(desk)
    without_line = in_table(str(uuid.uuid4()), open_us, up=7, is_used=False)
    still_open = in_table(open_one, open_us)

    assert desk.tracker.without_ended([*gone, without_line, still_open]) == [
        without_line,
        still_open,
    ]


def test_ended_connections_are_not_counted_again_by_another_agent(desk):
    asked_ns = time.monotonic_ns()
    entries = gone_lines(desk, 7)
    before = desk.readings()
    desk.close()

    after = Desk(desk.folder)
    after.tracker.settle(entries, asked_ns)
    after.close()

    assert after.readings() == before
    assert after.tracker.unannounced == 0


def test_ended_connections_whose_readings_were_pruned_are_not_counted_again(desk):
    asked_ns = time.monotonic_ns()
    entries = gone_lines(desk, 7)
    desk.store.prune(1_000, 1e12)

    desk.tracker.settle(entries, asked_ns)

    assert desk.readings() == {}


def test_what_ended_without_a_line_after_those_that_were_pruned_is_counted(desk):
    gone_lines(desk, 7)
    desk.store.prune(1_000, 1e12)
    without_line = str(uuid.uuid4())
    open_one, open_us = line_of(desk, seconds_ago=100.0)

    desk.tracker.settle(
        [
            in_table(without_line, open_us, up=7, is_used=False),
            in_table(open_one, open_us, up=8, is_used=False, quiet_ms=90_000),
        ],
        time.monotonic_ns() + 60_000_000_000,
    )

    found = desk.readings()
    assert {number: one.bytes_from_client for number, one in found.items()} == {
        number_of(without_line): 7,
        number_of(open_one): 8,
    }
    assert all(one.final for one in found.values())


def test_a_store_that_cannot_be_asked_starts_nothing(desk, monkeypatch):
    def fail(number):
        raise StoreUnwritable("disk I/O error")

    monkeypatch.setattr(desk.store, "has_ended", fail)

    line_of(desk)

    assert desk.readings() == {}


def test_a_key_that_is_none_is_passed_over(desk):
    desk.tracker.read_open(
        [TableEntry(key, True, 1, {}) for key in ("", "a", "a|b|c", "a|x|1")],
        time.monotonic_ns(),
    )

    assert desk.readings() == {}


def test_another_agent_takes_up_what_is_open_and_leaves_what_has_ended(desk):
    connection, started_us = line_of(desk)
    ended, _ = line_of(desk)
    desk.tracker.ended(ended, duration_us=1_000, from_client=1, to_client=1)
    desk.tracker.read_open(
        [in_table(connection, started_us, up=100, down=100)], time.monotonic_ns()
    )
    desk.meter.tick()
    desk.close()

    after = Desk(desk.folder)
    after.tracker.accepted(ended, "a-test", started_us)
    after.tracker.read_open(
        [in_table(connection, started_us, up=90, down=300)], time.monotonic_ns()
    )
    after.tracker.ended(connection, duration_us=20_000_000, from_client=0, to_client=0)
    after.close()

    found = after.readings()
    assert len(found) == 2
    entry = found[number_of(connection)]
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 300)
    assert (entry.duration_us, entry.final) == (20_000_000, True)


def test_an_id_becomes_a_number_that_fits_the_portals_column():
    edge, instance = "e" * 60, "0" * 26

    longest = number_of("ffffffff-ffff-ffff-ffff-ffffffffffff")

    assert len(f"{edge}.{instance}.{longest}") <= 128
