"""Starts HAProxy, or finds a running one; checks configurations and reloads it.

HAProxy outlives the agent: connections continue while no agent runs. A new agent uses the
HAProxy that answers on its socket.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from pathlib import Path

from products.edge.errors import StartupError
from products.edge.files import atomic_write
from products.edge.haproxy.config import CONFIGURATION
from products.edge.haproxy.master_socket import (
    MASTER_SOCKET,
    HAProxyUnreachable,
    MasterSocket,
    Processes,
)

log = logging.getLogger(__name__)

_DEBIAN_PROGRAM = "/usr/sbin/haproxy"  # outside the PATH of an ordinary user
_CANDIDATE = "candidate.cfg"
_START_SECONDS = 300.0  # HAProxy reads many origins with TLS for minutes
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.05


class ConfigRejected(Exception):
    """HAProxy cannot use a configuration; the earlier one stays in use."""


class HAProxyProcess:
    """One HAProxy in master-worker mode, with a folder of its own."""

    def __init__(self, folder: Path, program: str, master: MasterSocket) -> None:
        """Run `program` in a folder."""
        self._folder = folder
        self._program = program
        self._master = master
        self._child: asyncio.subprocess.Process | None = None
        self._found_master = 0  # the process id of a master that another agent started

    async def find(self) -> Processes | None:
        """Return the processes of the running HAProxy, None if none answers."""
        try:
            processes = await self._master.processes()
        except HAProxyUnreachable:
            return None
        self._found_master = processes.master
        return processes

    async def install(self, configuration: bytes) -> None:
        """Check a configuration and save it for the next start or reload.

        Raises ConfigRejected, OSError.
        """
        atomic_write(self._folder / _CANDIDATE, configuration)
        check = await asyncio.create_subprocess_exec(
            self._program, "-c", "-C", str(self._folder), "-f", _CANDIDATE,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await check.communicate()
        if check.returncode:
            raise ConfigRejected(output.decode("utf-8", "replace")[-2000:])
        atomic_write(self._folder / CONFIGURATION, configuration)

    async def start(self) -> Processes:
        """Start HAProxy with the installed configuration. Raises ConfigRejected, OSError."""
        (self._folder / MASTER_SOCKET).unlink(missing_ok=True)
        self._child = await asyncio.create_subprocess_exec(
            self._program, "-W", "-C", str(self._folder),
            "-q",  # without it, each of Lua's lines is written to the terminal too
            "-S", f"unix@{MASTER_SOCKET},mode,600", "-f", CONFIGURATION,
            cwd=self._folder,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a signal to the agent's group must not stop HAProxy
        )  # fmt: skip
        return await self._wait_for_new_worker(frozenset())

    async def reload(self) -> Processes:
        """Replace the workers; the old ones keep their connections.

        Raises ConfigRejected if no new worker starts, HAProxyUnreachable.
        """
        before = await self._master.processes()
        await self._master.call("reload")
        return await self._wait_for_new_worker(frozenset(before.workers))

    async def stop(self, master: int, *, drain: bool) -> None:
        """Make HAProxy stop after its last connection, or immediately."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(master, signal.SIGUSR1 if drain else signal.SIGTERM)

    async def stop_own(self) -> None:
        """Stop the HAProxy that this agent has started, if any."""
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
            await self.has_exited(_STOP_SECONDS)

    async def has_exited(self, seconds: float) -> bool:
        """Wait at most so long for HAProxy to exit, and return whether it has."""
        until = time.monotonic() + seconds
        while self._is_running():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _is_running(self) -> bool:
        if self._child is not None:
            return self._child.returncode is None
        return self._found_master != 0 and Path(f"/proc/{self._found_master}").exists()

    async def _wait_for_new_worker(self, before: frozenset[int]) -> Processes:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._child is not None and self._child.returncode is not None:
                break
            with contextlib.suppress(HAProxyUnreachable):
                processes = await self._master.processes()
                if processes.current and before.isdisjoint(processes.current):
                    return processes
            await asyncio.sleep(_POLL_SECONDS)
        raise ConfigRejected("HAProxy has no new worker; its own messages say why.")


def find_program(name: str) -> str:
    """Return the path of the HAProxy program. Raises StartupError."""
    program = shutil.which(name)
    if program is None and name == "haproxy":
        program = shutil.which(_DEBIAN_PROGRAM)
    if program is None:
        raise StartupError(
            "HAProxy is not installed. Install it, for example with: "
            "apt-get install haproxy"
        )
    return program


def identity_of(master: int) -> str:
    """Return an id of one run of a master: its process id and start time, in clock ticks."""
    try:
        after_name = Path(f"/proc/{master}/stat").read_text("ascii").rpartition(")")[2]
        return f"{master}@{after_name.split()[19]}"
    except (OSError, IndexError):
        return f"{master}@unknown"  # it is in another process namespace


def _environment() -> dict[str, str]:
    # Not the agent's: HAProxy expands variables in words, and OpenSSL reads some.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
