"""What an agent reads of the one before: whoever is open, and no more of the others than it must."""

import os
import time

from products.edge.haproxy.ended import Ended
from products.edge.haproxy.past import open_connections
from products.edge.journal import ConnectionEntry
from products.edge.spool import Spool, segments

STARTED_US = 1_795_000_000_000_000


def entry(number, *, month="2026-11", seconds=1, final=False):
    return ConnectionEntry(
        number, "a-test", month, STARTED_US, seconds * 1_000_000, 5, 6, final
    )


def written(folder, entries):
    spool = Spool(folder, segment_bytes=1_000)
    for one in entries:
        spool.append([one.to_payload()])
    spool.close()


def test_of_very_many_that_have_ended_few_are_held(tmp_path):
    ended = Ended(10)
    begun = [entry(number) for number in range(1_000)]
    over = [entry(number, seconds=2, final=True) for number in range(998)]
    written(tmp_path, begun + over)

    found = open_connections(tmp_path, ended)

    assert found == {998: {"2026-11": begun[998]}, 999: {"2026-11": begun[999]}}
    assert len(ended) <= 20
    assert all(number in ended for number in range(988, 998))
    assert ended.forgotten_to_ns < time.monotonic_ns()


def test_of_an_open_connection_the_last_reading_of_each_month_is_held(tmp_path):
    last, following = entry(7, seconds=2), entry(7, month="2026-12", seconds=3)
    written(tmp_path, [entry(7), last, following])

    found = open_connections(tmp_path, Ended(10))

    assert found == {7: {"2026-11": last, "2026-12": following}}


def test_where_segments_are_gone_not_all_ends_before_the_oldest_are_known(tmp_path):
    written(tmp_path, [entry(number, final=True) for number in range(100)])
    whole, ended = Ended(1_000), Ended(1_000)
    open_connections(tmp_path, whole)
    (_, first), (_, second), *_ = segments(tmp_path)
    os.utime(second, (time.time() - 1_000,) * 2)

    first.unlink()
    open_connections(tmp_path, ended)

    assert whole.forgotten_to_ns == 0
    ago_ns = time.monotonic_ns() - ended.forgotten_to_ns
    assert 1_000 <= ago_ns / 1e9 < 1_060


def test_a_reading_that_compaction_left_behind_the_last_one_opens_nothing(tmp_path):
    written(tmp_path, [entry(7), entry(7, seconds=2, final=True), entry(7)])

    assert open_connections(tmp_path, Ended(10)) == {}


def test_the_last_that_ended_are_remembered_and_up_to_when_not_all_is_said():
    ended = Ended(2)

    for number in range(1, 6):
        ended.add(number, ended_ns=number * 10)

    assert [number in ended for number in range(1, 6)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert len(ended) == 3
    assert ended.forgotten_to_ns == 20
