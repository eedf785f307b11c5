"""Connections counted from lines and tables, in any order."""

import time
import uuid

import pytest

from products.edge.haproxy.connections import number_of
from products.edge.haproxy.process import TableEntry
from products.edge.usage.store import StoreUnwritable
from tests.products.edge.haproxy.metering import (
    Metering,
    accept,
    announce,
    end,
    in_table,
)


@pytest.fixture
def metering(tmp_path):
    metering = Metering(tmp_path)
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
    assert metering.session.open_by_service == {"a-test": 1}


def test_the_end_line_is_the_final_record(metering):
    known = accept(metering)

    end(metering, *known, milliseconds=9_000, up=7, down=8)
    end(metering, *known, milliseconds=9_999, up=70, down=80)

    (entry,) = metering.readings().values()
    assert (entry.duration_us, entry.bytes_from_client, entry.bytes_to_client) == (
        9_000_000, 7, 8,
    )  # fmt: skip
    assert entry.final


def test_readings_of_the_table_never_decrease(metering):
    connection, started_us = accept(metering)

    metering.read_open(in_table(connection, started_us, up=100, down=200))
    metering.read_open(in_table(connection, started_us, up=50, down=60))
    metering.meter.tick()

    (entry,) = metering.readings().values()
    assert (entry.bytes_from_client, entry.bytes_to_client) == (100, 200)


def test_a_connection_without_an_accept_line_is_counted_from_the_table(metering):
    connection = str(uuid.uuid4())
    started_us = (time.time_ns() // 1_000_000_000 - 60) * 1_000_000

    metering.read_open(in_table(connection, started_us, up=5))

    (entry,) = metering.readings().values()
    assert (entry.number, entry.started_us) == (number_of(connection), started_us)
    assert len(metering.session.unannounced) == 1
    announce(metering, connection, started_us)
    assert len(metering.session.unannounced) == 0


def test_a_connection_missing_from_the_table_ends_when_it_was_last_seen(metering):
    connection, started_us = accept(metering)
    metering.read_open(in_table(connection, started_us, up=5))

    assert not metering.read_open()
    assert metering.read_open()
    metering.read_whole()

    (entry,) = metering.readings().values()
    assert entry.final
    assert 9_000_000 <= entry.duration_us < 12_000_000
    assert metering.session.open_by_service == {}


def test_a_connection_without_an_end_line_ends_as_its_table_entry_says(metering):
    connection, started_us = accept(metering, seconds_ago=100.0)
    entry = in_table(connection, started_us, up=9, is_used=False, quiet_ms=40_000)

    metering.read_whole(entry)

    (entry,) = metering.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 9
    assert 59_000_000 <= entry.duration_us <= 62_000_000


def test_an_ended_connection_is_not_counted_again(metering):
    connection, started_us = accept(metering)
    end(metering, connection, started_us)

    metering.read_open(in_table(connection, started_us, up=999))
    announce(metering, connection, started_us)
    metering.meter.tick()

    (entry,) = metering.readings().values()
    assert entry.final
    assert entry.bytes_from_client == 1


def ended_by_lines(metering, count):
    """End so many connections with their lines; return their table entries."""
    entries = []
    for _ in range(count):
        connection, started_us = accept(metering)
        end(metering, connection, started_us, milliseconds=9_000)
        entries.append(
            in_table(connection, started_us, up=5, is_used=False, quiet_ms=1_000)
        )
    return entries


def test_ended_connections_are_not_counted_again_by_another_agent(metering):
    asked_ns = time.monotonic_ns()
    entries = ended_by_lines(metering, 7)
    before = metering.readings()

    after = metering.another()
    after.read_whole(*entries, asked_ns=asked_ns)
    after.close()

    assert after.readings() == before
    assert len(after.session.unannounced) == 0


def test_ended_connections_whose_readings_were_pruned_are_not_counted_again(metering):
    asked_ns = time.monotonic_ns()
    entries = ended_by_lines(metering, 7)
    metering.prune()

    metering.read_whole(*entries, asked_ns=asked_ns)

    assert metering.readings() == {}


def test_a_connection_that_ended_without_a_line_after_the_pruned_ones_is_counted(
    metering,
):
    ended_by_lines(metering, 7)
    metering.prune()
    without_line = str(uuid.uuid4())
    open_one, open_us = accept(metering, seconds_ago=100.0)

    metering.read_whole(
        in_table(without_line, open_us, up=7, is_used=False),
        in_table(open_one, open_us, up=8, is_used=False, quiet_ms=90_000),
        asked_ns=time.monotonic_ns() + 60_000_000_000,
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
    keys = ("", "a", "a|b|c", "a|x|1")
    metering.read_open(*[TableEntry(key, True, 1, 0, 0, 0) for key in keys])

    assert metering.readings() == {}


def test_another_agent_resumes_open_connections_only(metering):
    connection, started_us = accept(metering)
    ended, ended_us = accept(metering)
    end(metering, ended, ended_us)
    metering.read_open(in_table(connection, started_us, up=100, down=100))
    metering.meter.tick()

    after = metering.another()
    announce(after, ended, started_us)
    after.read_open(in_table(connection, started_us, up=90, down=300))
    end(after, connection, started_us, milliseconds=20_000, up=0, down=0)
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
