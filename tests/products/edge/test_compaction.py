"""What has arrived shrinks to the last readings, so that a day of it can be kept."""

import errno
import os
from pathlib import Path

import pytest

from products.edge.backlog import Backlog
from products.edge.journal import DeliveryEntry
from products.edge.spool import framed, segments
from tests.products.edge.test_reporter import (
    Receiver,
    live,
    reporter_for,
    run_until_done,
    spool_of,
    write_history,
)
from tests.products.edge.test_retention import date_segments
from tests.products.edge.test_spool import entry, everything_in

MIDNIGHT = 1_795_305_600.0
CONNECTIONS = 40


def acknowledge_all(folder):
    backlog = Backlog(folder)
    while (batch := backlog.next_batch(5000, backlog.end())) is not None:
        backlog.acknowledge(batch.end)
    return backlog


def test_the_segments_of_an_hour_become_one_with_the_last_reading_of_each_counter(
    tmp_path,
):
    spool = spool_of(tmp_path, segment_bytes=1)
    hour = "2026-11-22T08:00:00Z"
    for written in (
        [entry(1, 1), entry(2, 5, final=True)],
        [entry(1, 2, month="2026-11"), DeliveryEntry("s", hour, 1, 1, 1)],
        [entry(1, 3, month="2026-12"), DeliveryEntry("s", hour, 2, 2, 2)],
        [entry(3, 9)],
    ):
        spool.append(one.to_payload() for one in written)
    spool.close()
    date_segments(tmp_path / "BOOT", MIDNIGHT)

    reporter_for(tmp_path, Receiver(), now=MIDNIGHT).run(live)

    assert [number for number, _ in segments(tmp_path / "BOOT")] == [3, 4]
    assert everything_in(tmp_path / "BOOT") == [
        entry(1, 2, month="2026-11"),
        entry(2, 5, final=True),
        DeliveryEntry("s", hour, 2, 2, 2),
        entry(1, 3, month="2026-12"),
        entry(3, 9),
    ]
    assert segments(tmp_path / "BOOT")[0][1].stat().st_mtime == MIDNIGHT


def write_an_hour(root, hour, spool):
    for tick in range(5):
        spool.append(
            entry(number, duration_us=hour * 5 + tick).to_payload()
            for number in range(CONNECTIONS)
        )
    for number, path in segments(root / "BOOT"):
        if number > hour * 5:
            os.utime(path, (MIDNIGHT + hour * 3600, MIDNIGHT + hour * 3600))


def test_a_day_of_open_connections_takes_one_reading_of_each_an_hour(tmp_path):
    receiver = Receiver()
    now = [MIDNIGHT]
    reporter = reporter_for(tmp_path, receiver, clock=lambda: now[0])
    spool = spool_of(tmp_path, segment_bytes=1)
    for hour in range(30):
        now[0] = MIDNIGHT + hour * 3600
        write_an_hour(tmp_path, hour, spool)
        reporter.run(live)
    spool.close()

    found = [
        (path.stat().st_mtime, path.stat().st_size)
        for _, path in segments(tmp_path / "BOOT")
    ]
    tick = sum(len(framed(entry(n, 100).to_payload())) for n in range(CONNECTIONS))
    hours = [MIDNIGHT + hour * 3600 for hour in range(5, 30)]
    assert [at for at, _ in found] == [*hours, hours[-1]]  # the last is being written
    assert max(size for _, size in found) <= tick


def test_a_restored_portal_gets_the_last_of_what_was_compacted(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver()
    reporter = reporter_for(tmp_path, receiver)
    reporter.run(live)
    receiver.totals.clear()
    receiver.epoch = "two"
    spool = spool_of(tmp_path)
    spool.append([entry(99).to_payload()])
    spool.close()

    run_until_done(reporter)

    assert receiver.totals == expected | {
        ("edge-1.BOOT.99", "2026-11"): (0, 10, 20, False)
    }


class Killed(BaseException):
    """As `kill -9`: nothing is tidied up."""


@pytest.mark.parametrize(
    "stage", ["open", "write", "fsync", "utime", "rename", "unlink"]
)
def test_killed_at_any_moment_it_has_lost_nothing(tmp_path, monkeypatch, stage):
    expected = write_history(tmp_path)
    backlog = acknowledge_all(tmp_path / "BOOT")
    spool = spool_of(tmp_path)
    spool.append([entry(99).to_payload()])
    spool.close()

    def die(*given, **named):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(os, stage, die)
        with pytest.raises(Killed):
            backlog.compact()
    receiver = Receiver()
    reporter_for(tmp_path, receiver).run(live)
    new = dict(receiver.totals)
    receiver.epoch = "two"
    run_until_done(reporter_for(tmp_path, receiver, now=1e9 + 100))

    assert new == {("edge-1.BOOT.99", "2026-11"): (0, 10, 20, False)}
    assert receiver.totals == expected | new
    assert not list((tmp_path / "BOOT").glob(".*"))


def test_what_was_compacted_is_lasting_before_its_sources_go(tmp_path, monkeypatch):
    write_history(tmp_path)
    backlog = acknowledge_all(tmp_path / "BOOT")
    done = []

    def note(name, target):
        original = getattr(os, name)

        def noted(first, *more):
            done.append((name, target(first)))
            return original(first, *more)

        monkeypatch.setattr(os, name, noted)

    note("fsync", lambda fd: Path(f"/proc/self/fd/{fd}").readlink().name)
    note("rename", lambda path: Path(path).name)
    note("unlink", lambda path: Path(path).name)

    backlog.compact()

    beside = f".00000008.spool.{os.getpid()}"
    assert done == [
        ("fsync", beside),
        ("rename", beside),
        ("fsync", "BOOT"),
        *(("unlink", f"{number:08d}.spool") for number in range(1, 8)),
    ]


def test_a_disk_without_room_for_it_leaves_everything_as_it_is(tmp_path, monkeypatch):
    expected = write_history(tmp_path)
    backlog = acknowledge_all(tmp_path / "BOOT")
    before = everything_in(tmp_path / "BOOT")

    def refuse(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        backlog.compact()
    after = everything_in(tmp_path / "BOOT")
    backlog.start_again()
    receiver = Receiver()
    reporter_for(tmp_path, receiver).run(live)

    assert after == before
    assert receiver.totals == expected
