"""Readings: cumulative, by month, written before a client sees its 101."""

import asyncio

import pytest
import time_machine

from products.edge.usage.meter import UsageMeter
from products.edge.usage.readings import DeliveryReading, read_values
from products.edge.usage.store import (
    StoreBusy,
    StoredUsage,
    StoreUnwritable,
    UsageStore,
)
from products.instants import instant_us
from tests.products.edge.fake_portal import route

NOVEMBER_ENDS = "2026-12-01T00:00:00Z"
HOST = route("a.test", month_ends_at=NOVEMBER_ENDS)


@pytest.fixture(autouse=True)
def november():
    """A time in the month that the table names."""
    with time_machine.travel("2026-11-22T08:00:00Z"):
        yield


class Store:
    """Keeps what is written, unless it is full or busy."""

    def __init__(self):
        self.transactions = []
        self.notes = {}
        self.is_full = False
        self.busy = 0  # so many more times

    @property
    def is_writable(self):
        return not self.is_full

    def write(self, readings, notes=None):
        if self.is_full:
            raise StoreUnwritable("full")
        if self.busy:
            self.busy -= 1
            raise StoreBusy("locked")
        self.transactions.append(list(readings))
        self.notes |= notes or {}

    def probe(self):
        self.write([])

    def has_ended(self, number):
        return any(one.final for one in self.readings if one.number == number)

    @property
    def readings(self):
        return [one for transaction in self.transactions for one in transaction]


class Tunnel:
    """A tunnel as the meter sees it."""

    def __init__(self, sent=0, received=0):
        self.bytes = sent, received
        self.ended_at_ns = 0

    def counts(self):
        return self.bytes


def begin(meter, table_route=HOST, from_client=100, to_client=50):
    return asyncio.run(meter.begin(table_route, from_client, to_client))


def begun(store):
    meter = UsageMeter(store)
    connection = begin(meter)
    connection.tunnel = Tunnel(100, 50)
    return meter, connection


def test_a_connection_is_in_the_store_before_it_is_begun():
    store = Store()
    begun(store)

    (written,) = store.readings
    assert (written.number, written.service, written.month) == (1, "a-test", "2026-11")
    assert (
        written.duration_us, written.bytes_from_client, written.bytes_to_client,
    ) == (0, 100, 50)  # fmt: skip
    assert written.final is False


def test_a_full_disk_begins_nothing():
    store = Store()
    store.is_full = True
    meter = UsageMeter(store)

    with pytest.raises(StoreUnwritable):
        begin(meter)

    assert meter.open == {}


def test_connections_that_arrive_together_share_a_transaction():
    store = Store()
    meter = UsageMeter(store)

    async def arrive():
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(meter.begin(HOST, 1, 1))

    asyncio.run(arrive())
    asyncio.run(arrive())

    assert [len(one) for one in store.transactions] == [5, 5]
    assert sorted(meter.open) == list(range(1, 11))


def test_connections_that_arrive_fast_share_a_transaction_and_a_lone_one_does_not_wait(
    monkeypatch,
):
    monkeypatch.setattr("products.edge.usage.meter._ARRIVALS_SECONDS", 1.0)
    store = Store()
    meter = UsageMeter(store)

    async def arrive():
        await meter.begin(HOST, 1, 1)  # alone
        later = [asyncio.ensure_future(meter.begin(HOST, 1, 1)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # a turn later
        await meter.begin(HOST, 1, 1)
        await asyncio.gather(*later)

    asyncio.run(arrive())

    assert [len(one) for one in store.transactions] == [1, 3]


def test_connections_that_arrive_together_are_refused_together():
    store = Store()
    meter = UsageMeter(store)
    store.is_full = True

    async def arrive():
        begun = [meter.begin(HOST, 1, 1) for _ in range(3)]
        return await asyncio.gather(*begun, return_exceptions=True)

    refused = asyncio.run(arrive())

    assert [type(one) for one in refused] == [StoreUnwritable] * 3
    assert meter.open == {}


def test_a_locked_store_is_tried_again():
    store = Store()
    store.busy = 3
    meter = UsageMeter(store)

    begin(meter)

    assert len(store.readings) == 1


def test_a_store_that_stays_locked_begins_nothing(monkeypatch):
    monkeypatch.setattr("products.edge.usage.meter._MAX_BUSY_SECONDS", 0.01)
    store = Store()
    store.busy = 10_000
    meter = UsageMeter(store)

    with pytest.raises(StoreUnwritable):
        begin(meter)


@pytest.mark.parametrize(
    "turns, first", [(1, []), (3, [(1, False), (1, True)])], ids=["before", "after"]
)
def test_a_client_that_leaves_around_its_first_reading_stays_open_nowhere(turns, first):
    store = Store()
    meter = UsageMeter(store)

    async def scenario():
        leaving = asyncio.ensure_future(meter.begin(HOST, 1, 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await meter.begin(HOST, 1, 1)

    asyncio.run(scenario())
    meter.flush()

    written = sorted((one.number, one.final) for one in store.readings)
    assert written == [*first, (2, False)]
    assert list(meter.open) == [2]


def test_the_end_is_that_of_the_last_direction():
    store = Store()
    meter, connection = begun(store)
    connection.tunnel.ended_at_ns = connection.started_ns + 90_000_000_123
    connection.tunnel.bytes = 1200, 5400

    meter.finish(1)

    last = store.readings[-1]
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
    store = Store()
    meter, _ = begun(store)
    meter.delivered("a-test", 1, 10, 20)
    meter.delivered("a-test", 1, 1, 2)

    meter.tick()
    meter.tick()

    kinds = [type(one).__name__[0] for one in store.readings]
    assert kinds == ["C", "C", "D", "C"]
    assert store.readings[2].requests == 2
    assert (store.readings[2].bytes_from_client, store.readings[2].bytes_to_client) == (
        11,
        22,
    )


def test_a_tick_in_parts_reads_each_connection_once():
    store = Store()
    meter = UsageMeter(store)
    for _ in range(50):
        begin(meter)
    del store.transactions[:]

    for part in range(20):
        meter.tick(part, 20)

    assert sorted(entry.number for entry in store.readings) == list(range(1, 51))


def test_a_disk_that_is_full_for_a_while_loses_no_end():
    store = Store()
    meter, connection = begun(store)
    store.is_full = True
    meter.tick()
    meter.tick()
    connection.tunnel.ended_at_ns = connection.started_ns + 5_000_000
    meter.finish(1)
    store.is_full = False

    meter.tick()

    assert [one.final for one in store.readings] == [False, True]
    assert store.readings[-1].duration_us == 5000


def test_bytes_are_split_where_the_month_ends():
    store = Store()
    meter, connection = begun(store)
    del store.transactions[:]
    connection.tunnel.bytes = 1000, 2000
    december = {
        "a-test": route("a.test", month="2026-12", month_ends_at="2027-01-01T00:00:00Z")
    }

    meter.roll_over_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS) - 1)
    meter.roll_over_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS))
    meter.roll_over_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS) + 1)
    meter.roll_over_months(december, instant_us(NOVEMBER_ENDS) + 2)
    connection.tunnel.bytes = 1007, 2009
    meter.finish(1)

    old, turned, new = store.readings
    assert (turned.month, turned.bytes_from_client, turned.final) == (
        "2026-12", 0, False,
    )  # fmt: skip
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
    store = Store()
    meter = UsageMeter(store)
    year_end = "2027-01-01T05:00:00Z"
    begin(meter, route("a.test", month="2026-12", month_ends_at=year_end))

    meter.roll_over_months({}, instant_us(year_end))

    assert [one.month for one in meter.open.values()] == ["2027-01"]


def test_a_table_that_is_a_month_ahead_turns_the_month_too():
    store = Store()
    meter, connection = begun(store)

    meter.roll_over_months({"a-test": route("a.test", month="2026-12")}, 0)

    assert connection.month == "2026-12"


@pytest.mark.parametrize(
    "now, month",
    [
        ("2026-11-30T23:59:59.999999Z", "2026-11"),
        ("2026-12-01T00:00:00Z", "2026-12"),
        ("2026-12-01T00:00:00.200000Z", "2026-12"),
    ],
)
def test_who_begins_after_the_months_end_begins_in_the_new_one(now, month):
    store = Store()
    with time_machine.travel(now, tick=False):
        begun(store)

    assert [one.month for one in store.readings] == [month]


def test_no_reading_goes_beyond_the_end_while_a_tunnel_closes():
    store = Store()
    meter, connection = begun(store)
    connection.tunnel.ended_at_ns = connection.started_ns + 1000

    meter.tick()
    meter.finish(1)

    assert [one.duration_us for one in store.readings] == [0, 1, 1]


def test_delivery_is_counted_in_the_hour_it_is_in():
    store = Store()
    meter = UsageMeter(store)
    meter.delivered("a-test", 1, 10, 100)
    with time_machine.travel("2026-11-22T09:00:01Z", tick=False):
        meter.delivered("a-test", 2, 20, 200)
    meter.tick()

    assert store.readings == [
        DeliveryReading("a-test", "2026-11-22T08:00:00Z", 1, 10, 100),
        DeliveryReading("a-test", "2026-11-22T09:00:00Z", 2, 20, 200),
    ]


def test_delivery_waits_for_a_full_disk_and_is_counted_once():
    store = Store()
    meter = UsageMeter(store)
    store.is_full = True
    for _ in range(2):
        meter.delivered("a-test", 1, 10, 100)
        meter.tick()
    store.is_full = False
    meter.tick()
    meter.tick()

    assert store.readings == [
        DeliveryReading("a-test", "2026-11-22T08:00:00Z", 2, 20, 200)
    ]


def test_notes_are_written_with_the_delivery_they_belong_to():
    store = Store()
    meter = UsageMeter(store)
    meter.delivered("a-test", 1, 10, 20)

    meter.keep_notes({"key": "value"})
    meter.flush()
    meter.flush()

    assert [len(one) for one in store.transactions] == [1]
    assert store.notes == {"key": "value"}


def test_a_connection_has_ended_before_its_last_reading_is_written():
    store = Store()
    meter, connection = begun(store)
    before = meter.has_ended(connection.number)
    store.is_full = True

    meter.finish(connection.number)

    assert (before, meter.has_ended(connection.number)) == (False, True)


def test_the_months_turn_is_one_transaction():
    store = Store()
    meter, connection = begun(store)
    connection.tunnel.bytes = 1000, 2000

    meter.roll_over_months({"a-test": HOST}, instant_us(NOVEMBER_ENDS))

    assert [one.month for one in store.transactions[-1]] == ["2026-11", "2026-12"]


def test_a_meter_writes_to_a_real_store(tmp_path):
    folder = tmp_path / "usage" / "INSTANCE"
    store = UsageStore(folder, max_bytes=1 << 30)
    meter, connection = begun(store)
    meter.finish(connection.number)
    store.close()

    with StoredUsage(folder) as stored:
        assert [read_values(row[1:]).final for row in stored.unsent(0, 10)] == [True]
