"""Starts HAProxy, or finds the one that runs; checks and loads what it is to do.

HAProxy outlives the agent: connections go on while the agent is away, and an agent that
starts takes up the HAProxy that answers on its socket.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from pathlib import Path

from products.edge.files import atomic_write
from products.edge.haproxy.config import CONFIGURATION
from products.edge.haproxy.master_socket import (
    MASTER_SOCKET,
    HAProxyUnreachable,
    MasterSocket,
    Processes,
)

log = logging.getLogger(__name__)

_CANDIDATE = "candidate.cfg"
_START_SECONDS = 300.0  # many origins with TLS are read for minutes
_LOOK_SECONDS = 0.05


class ConfigRejected(Exception):
    """HAProxy does not take a configuration; what stood before goes on."""


class HAProxyProcess:
    """One HAProxy in master-worker mode, in a folder of its own."""

    def __init__(self, folder: Path, program: str, master: MasterSocket) -> None:
        """Run `program` in a folder."""
        self._folder = folder
        self._program = program
        self._master = master
        self._child: asyncio.subprocess.Process | None = None
        self._found = 0  # the master that was there already

    async def find(self) -> Processes | None:
        """Give the processes of the HAProxy that runs, None when there is none."""
        try:
            processes = await self._master.processes()
        except HAProxyUnreachable:
            return None
        self._found = processes.master
        return processes

    async def put_in_place(self, configuration: bytes) -> None:
        """Check a configuration and make it the one that counts. Raises ConfigRejected, OSError."""
        atomic_write(self._folder / _CANDIDATE, configuration)
        check = await asyncio.create_subprocess_exec(
            self._program, "-c", "-C", str(self._folder), "-f", _CANDIDATE,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await check.communicate()
        if check.returncode:
            raise ConfigRejected(said.decode("utf-8", "replace")[-2000:])
        atomic_write(self._folder / CONFIGURATION, configuration)

    async def start(self) -> Processes:
        """Start HAProxy with what is in place. Raises ConfigRejected, OSError."""
        (self._folder / MASTER_SOCKET).unlink(missing_ok=True)
        self._child = await asyncio.create_subprocess_exec(
            self._program, "-W", "-C", str(self._folder),
            "-q",  # else what Lua says would go to the terminal, too
            "-S", f"unix@{MASTER_SOCKET},mode,600", "-f", CONFIGURATION,
            cwd=self._folder,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # what ends the agent must not end connections
        )  # fmt: skip
        return await self._settled(frozenset())

    async def reload(self) -> Processes:
        """Let new workers take over; the old ones keep their connections.

        Raises ConfigRejected when no new worker comes, HAProxyUnreachable.
        """
        before = await self._master.processes()
        await self._master.call("reload")
        return await self._settled(frozenset(before.workers))

    async def end(self, master: int, *, drain: bool) -> None:
        """Ask HAProxy to take no more connections, or to end at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(master, signal.SIGUSR1 if drain else signal.SIGTERM)

    async def abandon(self) -> None:
        """End what this agent has started, for it cannot be an edge."""
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
            await self.has_ended(5.0)

    async def has_ended(self, seconds: float) -> bool:
        """Wait for HAProxy's end for so long, whoever has started it."""
        until = time.monotonic() + seconds
        while self._is_there():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    def _is_there(self) -> bool:
        if self._child is not None:
            return self._child.returncode is None
        return Path(f"/proc/{self._found}").exists() if self._found else False

    async def _settled(self, before: frozenset[int]) -> Processes:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._child is not None and self._child.returncode is not None:
                break
            with contextlib.suppress(HAProxyUnreachable):
                processes = await self._master.processes()
                if processes.current and before.isdisjoint(processes.current):
                    return processes
            await asyncio.sleep(_LOOK_SECONDS)
        raise ConfigRejected("HAProxy has no worker; its own messages say why.")


def identity_of(master: int) -> str:
    """Name one run of a master: its process id and when it started, in clock ticks."""
    try:
        after_name = Path(f"/proc/{master}/stat").read_text("ascii").rpartition(")")[2]
        return f"{master}@{after_name.split()[19]}"
    except (OSError, IndexError):
        return f"{master}@unknown"  # in another namespace


def _environment() -> dict[str, str]:
    # Nothing of ours: variables would be expanded in words, and OpenSSL reads some.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
