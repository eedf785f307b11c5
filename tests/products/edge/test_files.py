"""Small files: replaced as a whole and durably, or as they were."""

import os
from pathlib import Path

import pytest

from products.edge.files import atomic_write


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    atomic_write(path, b"new")

    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_the_file_and_its_name_are_durable(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def record(descriptor):
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)

    atomic_write(tmp_path / "file", b"new")

    assert synced == [str(tmp_path / f".file.{os.getpid()}"), str(tmp_path)]


def test_a_file_is_unchanged_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write = os.write
    monkeypatch.setattr(
        os, "write", lambda descriptor, data: write(descriptor, data[:1])
    )

    with pytest.raises(OSError, match="1 of 3 bytes"):
        atomic_write(path, b"new")

    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_only_the_owner_can_read_a_file(tmp_path):
    atomic_write(tmp_path / "file", b"secret")

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
