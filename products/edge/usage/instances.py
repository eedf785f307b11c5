"""The folders of instances: one for each run of an edge process, locked while it runs."""

import fcntl
import logging
import os
from pathlib import Path

from products.edge.files import make_durable

log = logging.getLogger(__name__)

_LOCK = "lock"  # its process locks it, and the lock ends with the process
_DAMAGED = ".damaged"


def instances_in(folder: Path) -> list[Path]:
    """List the folders of the instances, the oldest first; one that starts may be empty."""
    return sorted(
        path for path in folder.glob("*") if path.is_dir() and _DAMAGED not in path.name
    )


def damaged_in(folder: Path, instance: str = "*") -> list[Path]:
    """List the quarantined folders of damaged files, of all instances or one."""
    return list(folder.glob(f"{instance}{_DAMAGED}-*"))


def hold_instance(folder: Path) -> None:
    """Make an instance's folder, and lock it for as long as this process lives.

    Every other process can ask `is_running`, during a hand-over too, when two edges
    share the data folder. Raises OSError.
    """
    folder.mkdir(parents=True, mode=0o700)
    # Never closed and never inherited, so that the lock ends with this process.
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


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
    finally:
        os.close(descriptor)
    return False


def quarantine_damaged(folder: Path, damage: Exception) -> Path:
    """Rename the folder of a damaged file, with all that belongs to it. Raises OSError."""
    count = 1
    while (target := folder.with_name(f"{folder.name}{_DAMAGED}-{count}")).exists():
        count += 1
    folder.rename(target)
    make_durable(folder.parent)
    log.error("%s is damaged, and quarantined: %s", target, damage)
    return target
