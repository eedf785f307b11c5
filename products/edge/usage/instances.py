"""The folders of instances: one for each run of an edge process, locked while it runs."""

import fcntl
import logging
import os
import shutil
from pathlib import Path

from products.edge.files import fsync_directory

log = logging.getLogger(__name__)

_LOCK = "lock"  # its process locks it, and the lock ends with the process
_DAMAGED = ".damaged"
_NAMES = "[!.]*"  # a hidden folder is an instance that is about to start


def instances_in(folder: Path) -> list[Path]:
    """List the folders of the instances, the oldest first."""
    return sorted(
        path
        for path in folder.glob(_NAMES)
        if path.is_dir() and _DAMAGED not in path.name
    )


def starting_in(folder: Path) -> list[Path]:
    """List the folders of instances that are about to start."""
    return list(folder.glob(".*/"))


def damaged_in(folder: Path, instance: str = "*") -> list[Path]:
    """List the quarantined folders of damaged files, of all instances or one."""
    return list(folder.glob(f"{instance}{_DAMAGED}-*"))


def hold_instance(folder: Path) -> None:
    """Make an instance's folder, and lock it for as long as this process lives.

    Every other process can ask `is_running`, during a hand-over too, when two edges
    share the data folder. Raises OSError.
    """
    # Locked before it has its name, or another process could finish it as it starts.
    hidden = folder.with_name(f".{folder.name}")
    hidden.mkdir(parents=True, mode=0o700)
    # Never closed and never inherited, so that the lock ends with this process.
    descriptor = os.open(hidden / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    hidden.rename(folder)


def is_running(folder: Path) -> bool:
    """Say whether the process of an instance runs, and can still write. Raises OSError."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def quarantine_damaged(folder: Path) -> Path:
    """Rename the folder of a damaged file, with all that belongs to it. Raises OSError."""
    count = 1
    while (target := folder.with_name(f"{folder.name}{_DAMAGED}-{count}")).exists():
        count += 1
    folder.rename(target)
    fsync_directory(folder.parent)
    log.error("A damaged file is quarantined: %s. Its usage is not reported.", target)
    return target


def remove_instance(folder: Path) -> None:
    """Remove the folder of an instance that has nothing left. Raises OSError."""
    shutil.rmtree(folder)
