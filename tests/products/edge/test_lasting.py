"""What is made lasting: whole, or as it was, and known to be neither when the disk fails."""

import errno
import os
from pathlib import Path

import pytest

from products.edge.spool import segments, write_lasting
from tests.products.edge.test_reporter import Receiver, live, reporter_for, spool_of
from tests.products.edge.test_spool import entry, payloads, spool_in


def path_of(descriptor):
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def test_a_small_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    write_lasting(path, b"new")

    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_could_not_be_made_lasting_is_tried_again_and_told(tmp_path, monkeypatch):
    spool = spool_in(tmp_path)
    spool.append([b"one"])
    fdatasync = os.fdatasync
    synced: list[None] = []

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        spool.sync()
    spool.append([b"two"])
    while_failing = spool.is_writable
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(fdatasync(fd)))
    spool.sync()
    spool.sync()

    assert (while_failing, spool.is_writable, synced) == (False, True, [None])


def test_after_a_failed_sync_the_next_segment_takes_over(tmp_path, monkeypatch):
    """The system may have dropped a page, and nobody reads beyond a hole."""
    spool = spool_in(tmp_path)
    spool.append([b"one"])
    fdatasync = os.fdatasync

    def fail_once(descriptor):
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(OSError, match="Input/output error"):
        spool.sync()
    spool.append([b"two"])
    spool.sync()
    spool.append([b"three"])
    spool.close()

    assert [payloads(path.read_bytes()) for _, path in segments(tmp_path)] == [
        [b"one", b"two"],
        [b"three"],
    ]


def test_a_new_boots_folder_is_lasting_before_anything_is_written_in_it(
    tmp_path, monkeypatch
):
    steps = []
    write = os.write

    def note_write(descriptor, data):
        steps.append(path_of(descriptor).name)
        return write(descriptor, data)

    monkeypatch.setattr(os, "fsync", lambda fd: steps.append(path_of(fd)))
    monkeypatch.setattr(os, "write", note_write)

    spool = spool_in(tmp_path / "spool" / "BOOT")
    spool.append([b"one"])

    assert steps == [
        tmp_path,
        tmp_path / "spool",
        tmp_path / "spool" / "BOOT",
        "00000001.spool",
    ]
    spool.close()


def test_a_small_file_that_finds_no_room_leaves_the_old_one_alone(
    tmp_path, monkeypatch
):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write = os.write
    monkeypatch.setattr(
        os, "write", lambda descriptor, data: write(descriptor, data[:1])
    )

    with pytest.raises(OSError, match="1 of 3 bytes"):
        write_lasting(path, b"new")

    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_the_portal_is_told_of_nothing_that_a_power_cut_could_take_back(
    tmp_path, monkeypatch
):
    spool = spool_of(tmp_path)
    steps = []

    def note(descriptor):
        file = path_of(descriptor)
        steps.append((file.name, file.stat().st_size))

    monkeypatch.setattr(os, "fdatasync", note)
    receiver = Receiver(fails=lambda report: steps.append("told"))
    reporter = reporter_for(tmp_path, receiver)
    spool.append([entry(1).to_payload()])
    size = (tmp_path / "BOOT" / "00000001.spool").stat().st_size

    reporter.run(live)
    reporter.run(live)  # and nothing is done for what has arrived

    assert steps == [("00000001.spool", size), "told"]
    spool.close()


def test_a_disk_that_makes_nothing_lasting_holds_no_report_up(tmp_path, monkeypatch):
    spool = spool_of(tmp_path)
    spool.append([entry(1).to_payload()])

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    receiver = Receiver()

    reporter_for(tmp_path, receiver).run(live)

    assert list(receiver.totals) == [("edge-1.BOOT.1", "2026-11")]
