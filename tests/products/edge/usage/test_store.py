"""The usage store: what was written is there, whatever ends the process or the disk."""

import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from products.edge.usage import store as store_module
from products.edge.usage.readings import (
    ConnectionReading,
    DeliveryReading,
    read_values,
)
from products.edge.usage.store import (
    STORE,
    StoreBusy,
    StoreDamaged,
    StoredUsage,
    StoreUnwritable,
    UsageStore,
    check_store,
    connect,
)

SERVICE = "a" * 22
LARGE = 1 << 30
OLD, YOUNG = 0.0, 4e9  # bounds of time: before and after whatever is written here


def reading(
    number, duration_us=0, *, sent=10, received=20, final=False, month="2026-11"
):
    return ConnectionReading(
        number, SERVICE, month, 1_795_000_000_000_000, duration_us, sent, received, final
    )  # fmt: skip


def delivery(requests, hour="2026-11-22T08:00:00Z"):
    return DeliveryReading(SERVICE, hour, requests, requests * 10, requests * 100)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "usage" / "INSTANCE"


@pytest.fixture
def store(folder):
    store = UsageStore(folder, max_bytes=LARGE)
    yield store
    store.close()


def readings_of(batch):
    return [read_values(row[1:]) for row in batch]


def revisions_of(batch):
    return [row[0] for row in batch]


def unsent(folder, acknowledged=0, count=100_000):
    with StoredUsage(folder) as stored:
        return stored.unsent(acknowledged, count)


def prune(folder, acknowledged, before=YOUNG):
    with StoredUsage(folder) as stored:
        stored.prune(acknowledged, before)


def is_damaged(folder):
    try:
        check_store(folder / STORE)
    except StoreDamaged:
        return True
    return False


def everything(folder):
    return readings_of(unsent(folder))


# Readings


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1],
        ["s", "2026-11-22T08:00:00Z", 1, 2, -3],
        ["s", "2026-11-22T08:00:00Z", 1, 2, "three"],
        [True, "s", "2026-11", 1, 1, 1, 1, True],
        [1, "s", "2026-11", 1, 1, 1, 1, 2],
        [1, b"s", "2026-11", 1, 1, 1, 1, 1],
        [1, "s", None, 1, 1, 1, 1, True],
        [1, "s", "2026-11", 1.5, 1, 1, 1, True],
        [1, "s", "2026-11", 2**60, 1, 1, 1, True],
        ["s", "no hour", 1, 2, 3],
    ],
)
def test_values_of_another_form_are_no_reading(values):
    assert read_values(values) is None


def test_a_reading_becomes_the_portals_record():
    record = reading(7, 5, final=True).to_record("edge-1", "INSTANCE")

    assert (record.id, record.service, record.month) == (
        "edge-1.INSTANCE.7", SERVICE, "2026-11",
    )  # fmt: skip
    assert record.started_at == datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC)
    assert (record.duration_us, record.final) == (5, True)
    assert delivery(3).to_record().bytes_to_client == 300


# Writing and reading


def test_a_later_reading_replaces_the_earlier_one_and_requests_are_added_up(
    store, folder
):
    store.write([reading(1, 5), delivery(1)])
    store.write([reading(1, 9, sent=30, final=True), delivery(2)])

    assert everything(folder) == [reading(1, 9, sent=30, final=True), delivery(3)]


def test_no_counter_ever_shrinks(store, folder):
    store.write([reading(1, 9, sent=30, received=40, final=True)])
    store.write([reading(1, 5, sent=31, received=1)])

    assert everything(folder) == [reading(1, 9, sent=31, received=40, final=True)]


def test_a_number_of_more_than_64_bits_is_kept_whole(store, folder):
    store.write([reading(2**96 - 1), reading(2**63), reading(2**63 - 1)])

    assert [one.number for one in everything(folder)] == [2**96 - 1, 2**63, 2**63 - 1]
    assert store.has_ended(2**96 - 1) is False


def test_every_reading_has_a_revision_of_its_own(store, folder):
    store.write([reading(1), reading(2), delivery(1)])

    assert revisions_of(unsent(folder)) == [1, 2, 3]


def test_a_batch_that_ends_inside_a_transaction_acknowledges_only_its_own(
    store, folder
):
    store.write([reading(number) for number in range(1, 8)])

    sent = [revisions_of(unsent(folder, end, count=3)) for end in (0, 3, 6, 7)]

    assert sent == [[1, 2, 3], [4, 5, 6], [7], []]


def test_a_reading_that_changes_while_its_batch_is_in_flight_is_sent_again(
    store, folder
):
    store.write([reading(1), reading(2)])
    batch = unsent(folder)
    store.write([reading(1, 5)])

    assert readings_of(unsent(folder, batch[-1][0])) == [reading(1, 5)]


def test_both_kinds_are_sent_in_the_order_of_writing(store, folder):
    for number in range(1, 5):
        store.write([reading(number), delivery(1, f"2026-11-22T0{number}:00:00Z")])

    first = unsent(folder, count=3)

    assert revisions_of(first) == [1, 2, 3]
    assert revisions_of(unsent(folder, 3)) == [4, 5, 6, 7, 8]


def test_what_is_unsent_is_counted(store, folder):
    store.write([reading(1), reading(2), delivery(1)])

    with StoredUsage(folder) as stored:
        assert [stored.unsent_count(sent) for sent in (0, 2, 3)] == [3, 1, 0]
        assert stored.newest()[0] == 3


def test_revisions_go_on_where_an_earlier_process_stopped(folder):
    for number in (1, 2):
        store = UsageStore(folder, max_bytes=LARGE)
        store.write([reading(number)])
        store.close()

    assert revisions_of(unsent(folder)) == [1, 2]


def test_a_file_whose_columns_have_another_order_goes_on(folder, monkeypatch):
    columns = "service TEXT NOT NULL, month TEXT NOT NULL"
    earlier = "month TEXT NOT NULL, service TEXT NOT NULL"
    assert columns in store_module._SCHEMA
    monkeypatch.setattr(
        store_module, "_SCHEMA", store_module._SCHEMA.replace(columns, earlier)
    )
    UsageStore(folder, max_bytes=LARGE).close()

    store = UsageStore(folder, max_bytes=LARGE)
    store.write([reading(1), delivery(2)])
    store.close()

    assert everything(folder) == [reading(1), delivery(2)]


def test_revisions_go_on_after_everything_was_pruned(folder):
    store = UsageStore(folder, max_bytes=LARGE)
    store.write([reading(1, final=True), delivery(1)])
    prune(folder, 2)
    store.close()
    again = UsageStore(folder, max_bytes=LARGE)
    again.write([reading(2)])
    again.close()

    assert revisions_of(unsent(folder)) == [3]


def test_notes_are_kept_with_the_readings_they_belong_to(store, folder):
    store.write([reading(1)], {"a": "1", "b": "2"})
    store.write([], {"a": "3", "b": ""})

    with StoredUsage(folder) as stored:
        assert stored.notes() == {"a": "3"}


def test_a_reader_and_the_writer_do_not_wait_for_each_other(store, folder):
    store.write([reading(1)])
    reader = connect(folder / STORE)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM connection").fetchall()

    store.write([reading(2)])
    store.sync()
    reader.close()

    assert len(everything(folder)) == 2


def test_readers_see_whole_transactions_while_a_process_writes(store, folder):
    stop = threading.Event()
    seen = []

    def read():
        while not stop.is_set():
            seen.append(len(everything(folder)))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for first in range(0, 3000, 10):
        store.write([reading(number) for number in range(first, first + 10)])
        if not first % 300:
            store.sync()
    stop.set()
    reader.join(60)

    assert all(count % 10 == 0 for count in seen)
    assert seen == sorted(seen)
    assert len(everything(folder)) == 3000


# What an engine asks


def test_open_connections_are_given_with_the_bytes_of_earlier_months(store, folder):
    store.write(
        [
            reading(1, 5),
            reading(1, 9, month="2026-12"),
            reading(2, 5),
            reading(2, 9, month="2026-12", final=True),
            reading(2**90),
        ]
    )

    with StoredUsage(folder) as stored:
        assert stored.open_connections() == [
            (reading(1, 9, month="2026-12"), 10, 20),
            (reading(2**90), 0, 0),
        ]
    assert [store.has_ended(number) for number in (1, 2, 3)] == [False, True, False]


# The end of a process


def test_open_connections_of_a_dead_process_become_final_as_last_read(store, folder):
    store.write([reading(1, 5), reading(2, 3, final=True), reading(3)])
    store.write([reading(1, 9, sent=100)])
    acknowledged = unsent(folder)[-1][0]

    with StoredUsage(folder) as stored:
        ended = [stored.finish(), stored.finish()]

    assert ended == [2, 0]
    assert readings_of(unsent(folder, acknowledged)) == [
        reading(1, 9, sent=100, final=True),
        reading(3, final=True),
    ]


def test_a_connection_of_two_months_ends_in_the_later_one(store, folder):
    store.write([reading(1, 5), reading(1, 9, month="2026-12")])

    with StoredUsage(folder) as stored:
        stored.finish()

    assert everything(folder) == [
        reading(1, 5),
        reading(1, 9, month="2026-12", final=True),
    ]


def test_a_store_without_readings_has_no_newest_one(store, folder):
    with StoredUsage(folder) as stored:
        assert stored.newest() == (0, 0)


WRITER = """
import sys
from pathlib import Path
from products.edge.usage.store import UsageStore
from products.edge.usage.readings import ConnectionReading
import threading, time

store = UsageStore(Path(sys.argv[1]), max_bytes=1 << 30)

def sync():
    while True:
        store.sync()
        time.sleep(0.002)

threading.Thread(target=sync, daemon=True).start()
number = 0
while True:
    number += 1
    store.write([
        ConnectionReading(n, "s", "2026-11", 1, number, number, number, n < number)
        for n in range(max(1, number - 3), number + 1)
    ])
    print(number, flush=True)
"""


def killed_writer(folder, seconds):
    """Run a process that writes and says what it has written; kill it; return the last."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return int(process.stdout.read().split()[-2])


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_process_has_lost_nothing_that_was_written(tmp_path, seed):
    folder = tmp_path / "usage" / "INSTANCE"

    last = killed_writer(folder, random.Random(seed).uniform(0.0, 0.3))

    found = {one.number: one for one in everything(folder)}
    check_store(folder / STORE)
    assert set(found) >= set(range(1, last + 1))
    assert all(one.final for one in found.values() if one.number <= last - 1)


def history(folder, count):
    """Write a history of transactions; return the state after each."""
    store = UsageStore(folder, max_bytes=LARGE)
    states: list[list[object]] = [[]]
    for number in range(1, count + 1):
        store.write(
            [
                reading(number),
                reading(max(1, number - 2), number, final=True),
                delivery(number),
            ]
        )
        states.append(everything(folder))
    return store, states


def torn_copy(folder, target, size):
    """Copy a store's files as a power cut could leave them, the log cut off."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    shutil.copy(folder / STORE, target / STORE)
    log = (folder / f"{STORE}-wal").read_bytes()
    (target / f"{STORE}-wal").write_bytes(log[:size])


def test_a_log_torn_anywhere_leaves_a_state_that_was(tmp_path):
    folder, target = tmp_path / "usage" / "A", tmp_path / "torn"
    store, states = history(folder, 12)
    size = (folder / f"{STORE}-wal").stat().st_size
    chance = random.Random(1)
    frame = 4096 + 24
    cuts = [32 + page * frame for page in range((size - 32) // frame + 1)]
    cuts += [chance.randrange(size) for _ in range(60)] + [0, 1, 31, size - 1]

    found = []
    for cut in sorted(cuts):
        torn_copy(folder, target, cut)
        check_store(target / STORE)
        found.append(states.index(everything(target)))

    store.close()
    assert found == sorted(found)
    assert set(found) == set(range(13))


def test_a_flipped_byte_in_the_log_leaves_a_state_that_was(tmp_path):
    folder, target = tmp_path / "usage" / "A", tmp_path / "flipped"
    store, states = history(folder, 12)
    size = (folder / f"{STORE}-wal").stat().st_size
    chance = random.Random(2)
    for _ in range(60):
        torn_copy(folder, target, size)
        path = target / f"{STORE}-wal"
        data = bytearray(path.read_bytes())
        data[chance.randrange(size)] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(data))

        check_store(target / STORE)
        assert everything(target) in states
    store.close()


def test_a_flipped_byte_in_the_structure_of_the_file_is_found(tmp_path):
    folder, target = tmp_path / "usage" / "A", tmp_path / "flipped"
    store, _ = history(folder, 40)
    store.close()
    data = (folder / STORE).read_bytes()
    target.mkdir()
    found = []
    for page in range(len(data) // 4096):
        start = page * 4096 + (100 if page == 0 else 0)  # of the page's own header
        damaged = bytearray(data)
        damaged[start] ^= 0x55
        (target / STORE).write_bytes(bytes(damaged))
        found.append(is_damaged(target))

    assert all(found)


def test_a_file_of_garbage_is_found_quarantine_damaged_and_replaced(folder, caplog):
    UsageStore(folder, max_bytes=LARGE).close()
    (folder / STORE).write_bytes(random.Random(3).randbytes(40_000))

    store = UsageStore(folder, max_bytes=LARGE)
    store.write([reading(1)])
    store.close()

    assert store.is_replacement
    assert everything(folder) == [reading(1)]
    aside = folder.with_name("INSTANCE.damaged-1")
    assert (aside / STORE).stat().st_size == 40_000
    assert "is damaged" in caplog.text


def test_rows_that_are_not_readings_are_not_read_as_such(store, folder):
    store.write([reading(1), reading(2), reading(3)])
    editor = sqlite3.connect(folder / STORE)
    editor.execute("UPDATE connection SET duration_us = -5 WHERE number = 2")
    editor.execute("UPDATE connection SET service = x'ff' WHERE number = 3")
    editor.commit()
    editor.close()

    assert everything(folder) == [reading(1), None, None]


# The disk


def fill(store):
    """Write ended connections until the store refuses; return the number that it refused."""
    for number in range(1, 100_000):
        try:
            store.write([reading(number, final=True)])
        except StoreUnwritable:
            return number
    raise AssertionError("the store has no limit")


def test_a_full_store_refuses_and_keeps_what_it_has(folder):
    store = UsageStore(folder, max_bytes=20 * 4096)
    refused = fill(store)
    is_writable = store.is_writable

    kept = [one.number for one in everything(folder)]
    prune(folder, 0)
    with pytest.raises(StoreUnwritable):
        store.probe()
    store.close()

    assert not is_writable
    assert kept == list(range(1, refused))
    assert refused > 100
    check_store(folder / STORE)


def test_a_full_store_writes_again_after_pruning(folder):
    store = UsageStore(folder, max_bytes=20 * 4096)
    number = fill(store)

    prune(folder, number - 100)
    store.probe()
    store.write([reading(number)])

    assert store.is_writable
    assert len(everything(folder)) == 100
    store.close()


STARVED = """
import resource, signal, sys
from pathlib import Path
from products.edge.usage.readings import ConnectionReading
from products.edge.usage.store import StoreUnwritable, UsageStore

def allow(size):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

def reading(number, duration):
    return ConnectionReading(number, "s", "2026-11", 1, duration, 1, 1, False)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in range(0, 200_000, 3_000):
    folder = Path(sys.argv[1]) / f"{size:06d}"
    written, failed, store = 0, 0, None
    allow(size)
    for number in range(1, 60):
        try:
            if store is None:
                store = UsageStore(folder, max_bytes=1 << 30)
            if number % 5 == 0:
                store.sync()
            store.write([reading(number, 1), reading(1, number)])
            written += 1
        except StoreUnwritable:
            failed += 1
    allow(resource.RLIM_INFINITY)
    if store is None:
        store = UsageStore(folder, max_bytes=1 << 30)
    was_writable = store.is_writable
    store.probe()
    store.write([reading(1000, 1)])
    store.sync()
    is_writable = store.is_writable
    store.close()
    print(size, written, failed, int(was_writable), int(is_writable), flush=True)
"""


def test_a_disk_that_is_full_at_any_step_loses_nothing_that_was_accepted(tmp_path):
    script = textwrap.dedent(STARVED)
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    lines = [tuple(map(int, line.split())) for line in answer.stdout.splitlines()]

    for size, written, _failed, _was_writable, is_writable in lines:
        folder = tmp_path / f"{size:06d}"
        check_store(folder / STORE)
        numbers = {one.number for one in everything(folder)}
        assert len(numbers - {1000}) in {written, written + (1 not in numbers)}
        assert 1000 in numbers
        assert is_writable == 1
    assert lines[0][1] == 0
    assert lines[-1][2] == 0
    assert {line[3] for line in lines} == {0, 1}


def test_a_checkpoint_that_fails_makes_the_store_unwritable_until_one_succeeds(
    store, folder
):
    store.write([reading(1)])
    original = store._checkpoints

    class Failing:
        def execute(self, *_):
            raise sqlite3.OperationalError("disk I/O error")

    store._checkpoints = Failing()
    with pytest.raises(StoreUnwritable):
        store.sync()
    while_failing = store.is_writable
    store._checkpoints = original
    store.sync()

    assert (while_failing, store.is_writable) == (False, True)


def test_another_writer_is_no_reason_to_refuse_only_to_try_again(store, folder):
    other = connect(folder / STORE)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy):
        store.write([reading(1)])
    is_writable = store.is_writable
    other.rollback()
    other.close()
    store.write([reading(1)])

    assert is_writable
    assert everything(folder) == [reading(1)]


def test_the_log_starts_again_when_it_is_long(store, folder, monkeypatch):
    monkeypatch.setattr("products.edge.usage.store._MAX_WAL_BYTES", 100_000)
    sizes = []
    for tick in range(30):
        store.write([reading(number, tick) for number in range(1, 200)])
        store.sync()
        sizes.append((folder / f"{STORE}-wal").stat().st_size)

    assert max(sizes) < 300_000


def test_the_log_is_synced_before_a_report(store, folder, monkeypatch):
    synced = []
    monkeypatch.setattr(
        "os.fsync",
        lambda one: synced.append(Path(f"/proc/self/fd/{one}").readlink().name),
    )

    with StoredUsage(folder) as stored:
        stored.make_durable()

    assert synced == [f"{STORE}-wal"]


# Pruning


def test_acknowledged_readings_of_ended_connections_are_pruned(store, folder):
    store.write(
        [reading(1, final=True), reading(2), delivery(1), reading(3, final=True)]
    )

    prune(folder, 3)

    assert everything(folder) == [reading(2), reading(3, final=True)]


def test_young_readings_stay(store, folder):
    store.write([reading(1, final=True), delivery(1)])

    prune(folder, 2, OLD)

    assert len(everything(folder)) == 2


def test_an_earlier_month_stays_as_long_as_its_connection_is_open(store, folder):
    store.write([reading(1), reading(1, month="2026-12"), reading(2)])
    store.write([reading(2, month="2026-12", final=True)])

    prune(folder, 4)
    first = everything(folder)
    store.write([reading(1, month="2026-12", final=True)])
    prune(folder, 5)

    assert first == [reading(1), reading(1, month="2026-12")]
    assert everything(folder) == []


def test_very_many_are_pruned_while_others_are_written(store, folder):
    count = 9_000
    store.write([reading(number, final=True) for number in range(1, count + 1)])
    open_ones = [reading(number) for number in range(count + 1, count + 10)]
    pruning = threading.Thread(target=prune, args=(folder, count), daemon=True)

    pruning.start()
    while pruning.is_alive():
        with contextlib.suppress(StoreBusy):
            store.write(open_ones)
        time.sleep(0.001)
    store.write(open_ones)

    assert everything(folder) == open_ones


def test_pruning_stops_in_time_for_the_next_report(store, folder, monkeypatch):
    monkeypatch.setattr("products.edge.usage.store._PRUNE_SECONDS", 0.0)
    store.write([reading(number, final=True) for number in range(1, 2_501)])

    left = []
    for _ in range(3):
        prune(folder, 2_500)
        left.append(len(everything(folder)))

    assert left == [1_500, 500, 0]


PRUNER = """
import sys
from pathlib import Path
from products.edge.usage.store import StoredUsage

with StoredUsage(Path(sys.argv[1])) as stored:
    print(flush=True)
    while True:
        (acknowledged, _) = stored.newest()
        stored.prune(acknowledged, 4e9)
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_process_killed_while_it_prunes_takes_nothing_that_is_open(
    store, folder, seed
):
    chance = random.Random(seed)
    open_ones = [reading(number) for number in range(1, 500)]
    store.write(open_ones)
    pruner = subprocess.Popen(
        [sys.executable, "-c", PRUNER, str(folder)], stdout=subprocess.PIPE
    )
    pruner.stdout.read(1)
    until = time.monotonic() + chance.uniform(0.05, 0.3)
    number = 500
    while time.monotonic() < until:
        with contextlib.suppress(StoreBusy):
            store.write(
                [reading(one, final=True) for one in range(number, number + 200)]
            )
            number += 200
    pruner.send_signal(signal.SIGKILL)
    pruner.wait(20)
    pruner.stdout.close()

    store.write([reading(1, 5)])  # no lock is left
    check_store(folder / STORE)
    kept = {one.number: one for one in everything(folder)}
    assert number > 700
    assert [kept[one.number] for one in open_ones[1:]] == open_ones[1:]
    assert kept[1] == reading(1, 5)


def test_when_the_newest_pruned_reading_was_written_is_known(store, folder):
    at_first = store.forgotten_to
    before = time.time()
    store.write([reading(1, final=True)])
    prune(folder, 1)

    assert at_first == 0
    assert before <= store.forgotten_to <= time.time()


def test_space_of_pruned_readings_is_used_again(folder):
    store = UsageStore(folder, max_bytes=LARGE)
    used = []
    for start in range(0, 50_000, 10_000):
        store.write([reading(n, final=True) for n in range(start, start + 10_000)])
        prune(folder, start)
        with StoredUsage(folder) as stored:
            used.append(stored.used_bytes())
    store.sync()
    store.close()

    assert max(used) < 3 * used[0]
    assert (folder / STORE).stat().st_size < 4 * used[0]


def test_the_end_of_a_process_waits_for_another_connection(store, folder):
    other = connect(folder / STORE)
    other.execute("BEGIN IMMEDIATE")
    releasing = threading.Timer(0.1, other.rollback)

    store.wait_when_busy()
    releasing.start()
    store.write([reading(1)])
    releasing.join(20)
    other.close()

    assert everything(folder) == [reading(1)]


def test_a_tick_of_random_numbers_changes_few_pages(store, folder):
    """HAProxy's numbers are random; its open connections are neighbours all the same."""
    chance = random.Random(4)
    numbers = [chance.getrandbits(96) for _ in range(20_000)]
    store.write([reading(number, final=True) for number in numbers])
    open_ones = [chance.getrandbits(96) for _ in range(500)]
    store.write([reading(number) for number in open_ones])
    store.sync()

    store.write([reading(number, 5) for number in open_ones])

    with contextlib.closing(connect(folder / STORE)) as other:
        _, pages, _ = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert 0 < pages < 100


def test_a_new_store_is_found_when_it_is_complete(folder, monkeypatch):
    found = []
    rename = Path.rename

    def look(self, target):
        found.append(target.exists())
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look)
    store = UsageStore(folder, max_bytes=LARGE)
    store.write([reading(1)])
    store.close()

    assert found == [False]
    assert sorted(path.name for path in folder.iterdir()) == [STORE]


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000], ids=["empty", "other"])
def test_a_file_without_the_tables_is_damaged(folder, content):
    folder.mkdir(parents=True)
    (folder / STORE).write_bytes(content)

    assert is_damaged(folder)
