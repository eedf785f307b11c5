"""Connections counted from lines and tables, in any order."""

import time
import uuid

import pytest

from products.edge.haproxy.connections import number_of
from products.edge.haproxy.process import TableEntry
from products.edge.usage.store import StoreUnwritable
from tests.products.edge.haproxy.metering import Metering, accept, in_table


@pytest.fixture
def metering(tmp_path):
    metering = Metering(tmp_path / "usage" / "INSTANCE")
    yield metering
    metering.close()


def test_the_accept_line_is_the_first_record(metering):
    connection, started_us = accept(metering)

    (entry,) = metering.readings().values()
    assert entry.number == number_of(connection)
    assert (entry.service, entry.month, entry.started_us) == (
        "a-test",
        "2026-11",
        started_us,
    )
    assert not entry.final
    assert metering.tracker.open_by_service == {"a-test": 1}


def test_the_end_line_is_the_final_record(metering):
    connection, _ = accept(metering)

    metering.tracker.ended(
        connection, duration_us=9_000_000, from_client=7, to_client=8
    )
    metering.tracker.ended(
        connection, duration_us=9_999_999, from_client=70, to_client=80
    )

    (entry,) = metering.readings().values()
    assert (entry.duration_us, entry.bytes_from_client, entry.bytes_to_client) == (
        9_000_000, 7, 8,
    )  # fmt: skip
    assert entry.final


def test_readings_of_the_table_never_decrease(metering):
    connection, started_us = accept(metering)

    metering.tracker.read_open(
        [in_table(connection, started_us, up=100, down=200)], time.monotonic_ns()
    )
    metering.tracker.read_open(
        [in_table(connection, started_us, up=50, down=60)], time.monotonic_ns()
    )
    metering.meter.tick()

    (entry,) = metering.readings().values()
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 200)


def test_a_connection_without_an_accept_line_is_counted_from_the_table(metering):
    connection = str(uuid.uuid4())
    started_us = (time.time_ns() // 1_000_000_000 - 60) * 1_000_000

    metering.tracker.read_open(
        [in_table(connection, started_us, up=5)], time.monotonic_ns()
    )

    (entry,) = metering.readings().values()
    assert (entry.number, entry.started_us) == (number_of(connection), started_us)
    assert metering.tracker.unannounced == 1
    metering.tracker.accepted(connection, "a-test", started_us)
    assert metering.tracker.unannounced == 0


def test_a_connection_missing_from_the_table_ends_when_it_was_last_seen(metering):
    connection, started_us = accept(metering)
    metering.tracker.read_open(
        [in_table(connection, started_us, up=5)], time.monotonic_ns()
    )

    assert not metering.tracker.read_open([], time.monotonic_ns())
    assert metering.tracker.read_open([], time.monotonic_ns())
    metering.tracker.end_without_lines([], time.monotonic_ns())

    (entry,) = metering.readings().values()
    assert entry.final
    assert 9_000_000 <= entry.duration_us < 12_000_000
    assert metering.tracker.open_by_service == {}


def test_a_connection_without_an_end_line_ends_as_its_table_entry_says(metering):
    connection, started_us = accept(metering, seconds_ago=100.0)
    entry = in_table(connection, started_us, up=9, is_used=False, quiet_ms=40_000)

    metering.tracker.end_without_lines([entry], time.monotonic_ns())

    (entry,) = metering.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 9
    assert 59_000_000 <= entry.duration_us <= 62_000_000


def test_an_ended_connection_is_not_counted_again(metering):
    connection, started_us = accept(metering)
    metering.tracker.ended(connection, duration_us=1_000, from_client=1, to_client=1)

    metering.tracker.read_open(
        [in_table(connection, started_us, up=999)], time.monotonic_ns()
    )
    metering.tracker.accepted(connection, "a-test", started_us)
    metering.meter.tick()

    (entry,) = metering.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 1


def ended_by_lines(metering, count):
    """End so many connections with their lines; return their table entries."""
    entries = []
    for _ in range(count):
        connection, started_us = accept(metering)
        metering.tracker.ended(
            connection, duration_us=9_000_000, from_client=1, to_client=1
        )
        entries.append(
            in_table(connection, started_us, up=5, is_used=False, quiet_ms=1_000)
        )
    return entries


def test_ended_connections_are_left_out_of_a_whole_table(metering):
    gone = ended_by_lines(metering, 7)
    open_one, open_us = accept(metering)
    without_line = in_table(str(uuid.uuid4()), open_us, up=7, is_used=False)
    still_open = in_table(open_one, open_us)

    assert metering.tracker.without_ended([*gone, without_line, still_open]) == [
        without_line,
        still_open,
    ]


def test_ended_connections_are_not_counted_again_by_another_agent(metering):
    asked_ns = time.monotonic_ns()
    entries = ended_by_lines(metering, 7)
    before = metering.readings()
    metering.close()

    after = Metering(metering.folder)
    after.tracker.end_without_lines(entries, asked_ns)
    after.close()

    assert after.readings() == before
    assert after.tracker.unannounced == 0


def test_ended_connections_whose_readings_were_pruned_are_not_counted_again(metering):
    asked_ns = time.monotonic_ns()
    entries = ended_by_lines(metering, 7)
    metering.store.prune(1_000, 1e12)

    metering.tracker.end_without_lines(entries, asked_ns)

    assert metering.readings() == {}


def test_a_connection_that_ended_without_a_line_after_the_pruned_ones_is_counted(
    metering,
):
    ended_by_lines(metering, 7)
    metering.store.prune(1_000, 1e12)
    without_line = str(uuid.uuid4())
    open_one, open_us = accept(metering, seconds_ago=100.0)

    metering.tracker.end_without_lines(
        [
            in_table(without_line, open_us, up=7, is_used=False),
            in_table(open_one, open_us, up=8, is_used=False, quiet_ms=90_000),
        ],
        time.monotonic_ns() + 60_000_000_000,
    )

    found = metering.readings()
    assert {number: one.bytes_from_client for number, one in found.items()} == {
        number_of(without_line): 7,
        number_of(open_one): 8,
    }
    assert all(one.final for one in found.values())


def test_no_connection_is_counted_while_the_store_cannot_be_read(metering, monkeypatch):
    def fail(number):
        raise StoreUnwritable("disk I/O error")

    monkeypatch.setattr(metering.store, "has_ended", fail)

    accept(metering)

    assert metering.readings() == {}


def test_an_invalid_table_key_is_ignored(metering):
    metering.tracker.read_open(
        [TableEntry(key, True, 1, 0, 0, 0) for key in ("", "a", "a|b|c", "a|x|1")],
        time.monotonic_ns(),
    )

    assert metering.readings() == {}


def test_another_agent_resumes_open_connections_only(metering):
    connection, started_us = accept(metering)
    ended, _ = accept(metering)
    metering.tracker.ended(ended, duration_us=1_000, from_client=1, to_client=1)
    metering.tracker.read_open(
        [in_table(connection, started_us, up=100, down=100)], time.monotonic_ns()
    )
    metering.meter.tick()
    metering.close()

    after = Metering(metering.folder)
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


def test_the_longest_record_id_fits_the_portals_column():
    edge, instance = "e" * 60, "0" * 26

    longest = number_of("ffffffff-ffff-ffff-ffff-ffffffffffff")

    assert len(f"{edge}.{instance}.{longest}") <= 128
