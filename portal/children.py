"""Child processes that end with their parent, each in a process group of its own."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # Linux, prctl(2): the signal a process gets when its parent ends


def spawn(
    command: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start a program that gets SIGTERM should this process end without stopping it.

    Where it is to be quiet, what it writes to stdout is dropped; stderr never is. It reads nothing
    from the terminal and does not get the terminal's Ctrl-C: the parent decides. Raises OSError
    when the program cannot be started. Elsewhere than on Linux a program outlives a parent that
    was killed.
    """
    return subprocess.Popen(  # noqa: S603 - the commands are this repository's own
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        process_group=0,
        preexec_fn=_ends_with_parent(),  # noqa: PLW1509 - this process has one thread
    )


def kill_group(group: int) -> None:
    """Kill whatever is left of a program and of what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _ends_with_parent() -> Callable[[], None] | None:
    """Return what a Linux child does before it becomes its program; None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    parent = os.getpid()

    def bind() -> None:
        library.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return bind
