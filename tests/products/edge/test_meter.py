"""Readings: cumulative, by month, written before anybody hears of the connection."""

import json
import sys

import pytest
import time_machine

from products.edge.journal import ConnectionEntry, DeliveryEntry, read_entry
from products.edge.meter import Meter, instant_us
from products.edge.spool import SpoolUnwritable
from tests.products.edge.fake_portal import route

NOVEMBER_ENDS = "2026-12-01T00:00:00Z"
HOST = route("a.test", month_ends_at=NOVEMBER_ENDS)


@pytest.fixture(autouse=True)
def november():
    """A time in the month that the table names."""
    with time_machine.travel("2026-11-22T08:00:00Z"):
        yield


class Spool:
    """Keeps what is written, unless it is full."""

    def __init__(self):
        self.payloads = []
        self.is_full = False

    @property
    def is_writable(self):
        return not self.is_full

    def append(self, payloads):
        if self.is_full:
            raise SpoolUnwritable("full")
        self.payloads += payloads

    @property
    def entries(self):
        return [read_entry(payload) for payload in self.payloads]


class Tunnel:
    """A tunnel as the meter sees it."""

    def __init__(self, sent=0, received=0):
        self.bytes = sent, received
        self.ended_at_ns = 0
        self.seen_ns = sys.maxsize

    def counts(self):
        return self.bytes


def begun(spool, **changes):
    meter = Meter(spool)
    entry = meter.begin(HOST, 100, 50)
    entry.tunnel = Tunnel(100, 50)
    return meter, entry


def test_a_connection_is_on_disk_before_it_is_begun():
    spool = Spool()
    begun(spool)

    (written,) = spool.entries
    assert (written.number, written.service, written.month) == (1, "a-test", "2026-11")
    assert (
        written.duration_us,
        written.bytes_from_client,
        written.bytes_to_client,
    ) == (0, 100, 50)
    assert written.final is False


def test_a_full_disk_begins_nothing():
    spool = Spool()
    spool.is_full = True
    meter = Meter(spool)

    with pytest.raises(SpoolUnwritable):
        meter.begin(HOST, 1, 1)

    assert meter.open == {}


def test_the_end_is_that_of_the_last_direction():
    spool = Spool()
    meter, entry = begun(spool)
    entry.tunnel.ended_at_ns = entry.started_ns + 90_000_000_123
    entry.tunnel.bytes = 1200, 5400

    meter.finish(1)

    last = spool.entries[-1]
    assert (
        last.duration_us,
        last.bytes_from_client,
        last.bytes_to_client,
        last.final,
    ) == (
        90_000_000,
        1200,
        5400,
        True,
    )
    assert meter.open == {}


def test_ticks_write_what_is_open_and_what_was_delivered():
    spool = Spool()
    meter, _ = begun(spool)
    meter.delivered("a-test", 1, 10, 20)
    meter.delivered("a-test", 1, 1, 2)

    meter.tick()
    meter.tick()

    kinds = [json.loads(payload)[0] for payload in spool.payloads]
    assert kinds == ["c", "c", "d", "c"]
    assert spool.entries[2].requests == 2
    assert (spool.entries[2].bytes_from_client, spool.entries[2].bytes_to_client) == (
        11,
        22,
    )


def test_a_tick_in_parts_reads_each_connection_once():
    spool = Spool()
    meter = Meter(spool)
    for _ in range(50):
        meter.begin(HOST, 1, 1)
    del spool.payloads[:]

    for part in range(20):
        meter.tick(part, 20)

    assert sorted(entry.number for entry in spool.entries) == list(range(1, 51))


def test_a_disk_that_is_full_for_a_while_loses_no_end():
    spool = Spool()
    meter, entry = begun(spool)
    spool.is_full = True
    meter.tick()
    meter.tick()
    entry.tunnel.ended_at_ns = entry.started_ns + 5_000_000
    meter.finish(1)
    spool.is_full = False

    meter.tick()

    assert [one.final for one in spool.entries] == [False, True]
    assert spool.entries[-1].duration_us == 5000


def test_bytes_are_split_where_the_month_ends():
    spool = Spool()
    meter, entry = begun(spool)
    del spool.payloads[:]
    entry.tunnel.bytes = 1000, 2000
    december = {
        "a-test": route("a.test", month="2026-12", month_ends_at="2027-01-01T00:00:00Z")
    }

    meter.turn_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS) - 1)
    meter.turn_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS))
    meter.turn_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS) + 1)
    meter.turn_months(december, instant_us(NOVEMBER_ENDS) + 2)
    entry.tunnel.bytes = 1007, 2009
    meter.finish(1)

    old, new = spool.entries
    assert (old.month, old.bytes_from_client, old.bytes_to_client, old.final) == (
        "2026-11",
        1000,
        2000,
        False,
    )
    assert (new.month, new.bytes_from_client, new.bytes_to_client, new.final) == (
        "2026-12",
        7,
        9,
        True,
    )
    assert (old.number, old.started_us) == (new.number, new.started_us)
    assert new.duration_us >= old.duration_us


def test_december_is_followed_by_january_of_the_next_year():
    spool = Spool()
    meter = Meter(spool)
    year_end = "2027-01-01T05:00:00Z"
    meter.begin(route("a.test", month="2026-12", month_ends_at=year_end), 1, 1)

    meter.turn_months({}, instant_us(year_end))

    assert [one.month for one in meter.open.values()] == ["2027-01"]


def test_a_table_that_is_a_month_ahead_turns_the_month_too():
    spool = Spool()
    meter, entry = begun(spool)

    meter.turn_months({"a-test": route("a.test", month="2026-12")}, 0)

    assert entry.month == "2026-12"


@pytest.mark.parametrize(
    "text, microseconds",
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("2026-12-01T00:00:00.000001Z", 1_796_083_200_000_001),
        ("2026-12-01T01:00:00+01:00", 1_796_083_200_000_000),
        ("2026-12-01T00:00:00", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_instants_are_read(text, microseconds):
    assert instant_us(text) == microseconds


def test_a_reading_is_the_journals_form():
    spool = Spool()
    begun(spool)

    assert isinstance(read_entry(spool.payloads[0]), ConnectionEntry)


@pytest.mark.parametrize(
    "now, month",
    [
        ("2026-11-30T23:59:59.999999Z", "2026-11"),
        ("2026-12-01T00:00:00Z", "2026-12"),
        ("2026-12-01T00:00:00.200000Z", "2026-12"),
    ],
)
def test_who_begins_after_the_months_end_begins_in_the_new_one(now, month):
    spool = Spool()
    with time_machine.travel(now, tick=False):
        begun(spool)

    assert [entry.month for entry in spool.entries] == [month]


def test_no_reading_goes_beyond_the_end_while_a_tunnel_closes():
    spool = Spool()
    meter, entry = begun(spool)
    entry.tunnel.ended_at_ns = entry.started_ns + 1000

    meter.tick()
    meter.finish(1)

    assert [one.duration_us for one in spool.entries] == [0, 1, 1]


def test_delivery_that_is_gone_on_with_stays_in_its_hour():
    spool = Spool()
    meter = Meter(spool)
    with time_machine.travel("2026-11-22T09:00:01Z", tick=False):
        before = DeliveryEntry("a-test", "2026-11-22T08:00:00Z", 5, 50, 500)
        meter.resume_delivery(before)
        meter.delivered("a-test", 1, 10, 100)
        meter.tick()

    assert spool.entries == [
        DeliveryEntry("a-test", "2026-11-22T09:00:00Z", 1, 10, 100)
    ]


def test_delivery_that_is_gone_on_with_is_added_to():
    spool = Spool()
    meter = Meter(spool)
    meter.resume_delivery(DeliveryEntry("a-test", "2026-11-22T08:00:00Z", 5, 50, 500))
    meter.delivered("a-test", 1, 10, 100)
    meter.tick()

    assert spool.entries == [
        DeliveryEntry("a-test", "2026-11-22T08:00:00Z", 6, 60, 600)
    ]
