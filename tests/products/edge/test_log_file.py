"""The local log file: bounded, rotated, and drops that are counted."""

import os

from products.edge.access_log import LogFile


def test_a_full_queue_drops_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("products.edge.access_log._MAX_FILE_LINES", 3)
    file = LogFile(tmp_path / "access.jsonl")

    for number in range(5):
        file.note(b"%d\n" % number)
    file.close()

    assert file.dropped == 2
    assert (tmp_path / "access.jsonl").read_bytes() == b"0\n1\n2\n"


def test_a_disk_that_takes_no_lines_drops_and_counts_them(tmp_path):
    file = LogFile(tmp_path / "nothing" / "access.jsonl")
    file.note(b"line\n")

    file.flush()

    assert file.dropped == 1


def test_a_log_that_was_rotated_is_opened_again(tmp_path):
    path = tmp_path / "access.jsonl"
    file = LogFile(path)
    file.note(b"one\n")
    file.flush()
    path.rename(tmp_path / "old")
    file.note(b"two\n")
    file.close()

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
        file.note(line)
        file.flush()

    assert (tmp_path / "access.jsonl.1").read_bytes() == b"one one\ntwo two\n"
    assert path.read_bytes() == b"three\n"
    assert one.dropped == other.dropped == 0
    one.close()
    other.close()


def test_a_write_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda where, data: write(where, data[:7]))
    path = tmp_path / "access.jsonl"
    file = LogFile(path)
    file.note(b"one one\n")
    file.close()

    assert path.read_bytes() == b"one one\n"
