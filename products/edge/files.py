"""Writes small files so that a crash or a power cut leaves the old one or the new one."""

import os
from pathlib import Path


def make_durable(path: Path) -> None:
    """Make a file's content durable, or the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes) -> None:
    """Replace a file as a whole, durably; only its owner can read it.

    Raises OSError, and then the old one remains.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            written = os.write(descriptor, data)
            if written != len(data):
                raise OSError(f"{written} of {len(data)} bytes were written")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    make_durable(path.parent)
