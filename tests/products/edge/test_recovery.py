"""What a dead process left: ended with its last values, torn tails cut."""

import errno
import fcntl
import os
import subprocess
import sys
import tracemalloc

import pytest

from products.edge.recovery import CLOSED_MARK, close_boot, hold_boot, is_held
from products.edge.spool import (
    framed,
)
from tests.products.edge.test_spool import entry, everything_in, spool_in


def test_a_dead_boots_open_connections_end_with_their_last_values(tmp_path):
    spool = spool_in(tmp_path)
    spool.append(
        one.to_payload()
        for one in [
            entry(1),
            entry(2),
            entry(1, 5_000_000, sent=100),
            entry(2, 3_000_000, final=True),
            entry(3),
        ]
    )
    spool.close()

    assert close_boot(tmp_path) == 2
    assert close_boot(tmp_path) == 0

    assert everything_in(tmp_path)[5:] == [
        entry(1, 5_000_000, sent=100, final=True),
        entry(3, final=True),
    ]


def test_a_connection_of_two_months_ends_in_the_later_one(tmp_path):
    spool = spool_in(tmp_path)
    spool.append(
        [
            entry(1, 5, month="2026-11").to_payload(),
            entry(1, 9, month="2026-12").to_payload(),
        ]
    )
    spool.close()

    close_boot(tmp_path)

    assert everything_in(tmp_path)[2:] == [entry(1, 9, month="2026-12", final=True)]


def test_a_connection_that_ended_in_its_second_month_is_over(tmp_path):
    spool = spool_in(tmp_path)
    spool.append(
        [
            entry(1, 5, month="2026-11").to_payload(),
            entry(1, 9, month="2026-12").to_payload(),
            entry(1, 9, month="2026-12", final=True).to_payload(),
        ]
    )
    spool.close()

    assert close_boot(tmp_path) == 0


def test_a_day_of_ended_connections_takes_no_memory_to_close(tmp_path):
    spool = spool_in(tmp_path, segment_bytes=1_000_000)
    for first in range(0, 100_000, 5000):
        numbers = range(first, first + 5000)
        spool.append(entry(number, final=True).to_payload() for number in numbers)
    spool.append([entry(100_000).to_payload()])
    spool.close()

    tracemalloc.start()
    ended = close_boot(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ended == 1
    assert peak < 8_000_000  # a few segments; their entries alone are 33


def test_a_torn_tail_is_cut_at_the_first_bad_record_for_every_tear(tmp_path):
    good = framed(entry(1, 1_000_000).to_payload())
    last = framed(entry(1, 2_000_000).to_payload())

    for length in range(1, len(last)):
        folder = tmp_path / str(length)
        folder.mkdir()
        path = folder / "00000001.spool"
        path.write_bytes(good + last[:length])

        assert close_boot(folder) == 1
        assert path.read_bytes() == good
        assert everything_in(folder) == [
            entry(1, 1_000_000),
            entry(1, 1_000_000, final=True),
        ]


def test_closing_that_was_itself_cut_short_can_be_done_again(tmp_path):
    spool = spool_in(tmp_path)
    spool.append([entry(1).to_payload()])
    spool.close()
    close_boot(tmp_path)
    (tmp_path / CLOSED_MARK).unlink()

    assert close_boot(tmp_path) == 0
    assert everything_in(tmp_path) == [entry(1), entry(1, final=True)]


def test_a_boot_whose_end_is_not_lasting_is_not_closed(tmp_path, monkeypatch):
    spool = spool_in(tmp_path)
    spool.append([entry(1).to_payload()])
    spool.close()

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        close_boot(tmp_path)
    is_closed = (tmp_path / CLOSED_MARK).exists()
    monkeypatch.undo()

    assert is_closed is False
    assert close_boot(tmp_path) == 0
    assert everything_in(tmp_path) == [entry(1), entry(1, final=True)]


def test_a_boot_is_held_until_its_process_has_ended(tmp_path):
    folder = tmp_path / "spool" / "BOOT"
    holding = (
        "import sys; from pathlib import Path; "
        "from products.edge.recovery import hold_boot; "
        "hold_boot(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while_alive = is_held(folder)
        process.kill()

    assert (while_alive, is_held(folder)) == (True, False)


def test_nobody_finds_a_boot_before_it_is_held(tmp_path, monkeypatch):
    found = []
    lock = fcntl.flock

    def look(descriptor, operation):
        found.extend((tmp_path / "spool").glob("[!.]*"))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", look)

    hold_boot(tmp_path / "spool" / "BOOT")

    assert found == []
    assert is_held(tmp_path / "spool" / "BOOT")


def test_what_wrote_without_a_lock_is_not_held(tmp_path):
    spool_in(tmp_path).close()

    assert not is_held(tmp_path)
