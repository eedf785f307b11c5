"""The local log file: rotated, with drops that are counted."""

import os
from pathlib import Path

from products.edge.access_log import LogFile


def test_a_disk_that_takes_no_lines_drops_and_counts_them(tmp_path):
    file = LogFile(tmp_path / "nothing" / "access.jsonl")

    file.write([b"line\n"])

    assert file.dropped == 1


def test_a_disk_that_goes_on_taking_no_lines_is_logged_once(tmp_path, caplog):
    file = LogFile(tmp_path / "later" / "access.jsonl")
    for _ in range(3):
        file.write([b"line\n"])
    assert len(caplog.messages) == 1

    file._path.parent.mkdir()
    file.write([b"line\n"])
    file._path.parent.rename(tmp_path / "gone")
    file.write([b"line\n"])

    assert len(caplog.messages) == 2
    assert file.dropped == 4


def test_a_log_that_was_rotated_is_opened_again(tmp_path):
    path = tmp_path / "access.jsonl"
    file = LogFile(path)
    file.write([b"one\n"])
    path.rename(tmp_path / "old")
    file.write([b"two\n"])

    assert (tmp_path / "old").read_bytes() == b"one\n"
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_that_has_grown_is_rotated_and_the_one_before_is_kept(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("products.edge.access_log._FILE_BYTES", 10)
    path = tmp_path / "access.jsonl"
    one, other = LogFile(path), LogFile(path)  # as two processes have it
    for file, line in ((one, b"one one\n"), (other, b"two two\n"), (one, b"three\n")):
        file.write([line])

    assert (tmp_path / "access.jsonl.1").read_bytes() == b"one one\ntwo two\n"
    assert path.read_bytes() == b"three\n"
    assert one.dropped == other.dropped == 0


def test_a_disk_that_is_nearly_full_drops_the_lines_and_counts_them():
    file = LogFile(Path("/dev/full"))

    file.write([b"one\n", b"two\n"])

    assert file.dropped == 2


def test_a_write_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda where, data: write(where, data[:7]))
    path = tmp_path / "access.jsonl"
    LogFile(path).write([b"one one\n"])

    assert path.read_bytes() == b"one one\n"
