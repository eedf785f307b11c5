"""Where tests write: to memory if there is space, because a disk takes milliseconds per fsync."""

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")
_MIN_BYTES = 4 * 1024**3  # some tests copy the project with its libraries


def write_to_memory() -> None:
    """Let pytest make its temporary folders in memory, unless another place is set."""
    if _has_space(_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def _has_space(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    state = os.statvfs(folder)
    may_execute = not state.f_flag & os.ST_NOEXEC  # as in a container
    return may_execute and state.f_bavail * state.f_frsize >= _MIN_BYTES
