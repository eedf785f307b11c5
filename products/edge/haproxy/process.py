"""The running HAProxy: starts, finds and reloads it, and sends it commands.

HAProxy outlives the agent: connections continue while no agent runs. A new agent uses the
HAProxy that answers on its socket.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from products.edge.errors import StartupError
from products.edge.files import atomic_write
from products.edge.haproxy.config import CONFIGURATION, WORKER_SOCKET

MASTER_SOCKET = "master.sock"
CURRENT = 0  # instead of a process id: that worker, through its own socket

_TIMEOUT_SECONDS = 10.0
_MAX_LINE_BYTES = 8_000  # bytes of commands in one call; HAProxy's buffer is larger
_ADDRESS = 4  # its column in `show servers state`
_DIGEST = re.compile(r"^description: (\w+)$", re.MULTILINE)
_MASTER = re.compile(r"^(\d+)\s+master\b", re.MULTILINE)
_WORKER = re.compile(r"^(\d+)\s+worker\b", re.MULTILINE)
_PAIR = re.compile(r"\b(\w+)=(\S*)")
_DEBIAN = ":/usr/sbin"  # its folder is not in the PATH of an ordinary user
_CANDIDATE = "candidate.cfg"
_START_SECONDS = 300.0  # HAProxy reads many origins with TLS for minutes
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.05
_EXITED = ("", "Z", "X")  # states of a process, as in proc(5)


class HAProxyUnreachable(ConnectionError):
    """HAProxy's socket does not answer."""


@dataclass(frozen=True, slots=True)
class Processes:
    """The process ids of the master, of the worker that accepts, and of those that drain."""

    master: int
    current: tuple[int, ...]
    old: tuple[int, ...]

    @property
    def workers(self) -> tuple[int, ...]:
        """All workers that have connections."""
        return self.current + self.old


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One line of a stick table."""

    key: str
    is_used: bool
    expires_ms: int
    requests: int
    bytes_from_client: int
    bytes_to_client: int


class ConfigRejected(Exception):
    """HAProxy cannot use a configuration; the earlier one stays in use."""


class HAProxy:
    """One HAProxy in master-worker mode, with a folder of its own.

    Its socket is the command line of its master, and through it of every worker. A worker
    that drains after a reload is reached by its process id, because its successor has its
    socket. The worker that accepts connections also has a socket for what cannot wait:
    during a reload the master does not answer until it has read the configuration.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._child: asyncio.subprocess.Process | None = None
        self._pid = 0  # of the master, which another agent may have started

    async def call(self, line: str, name: str = MASTER_SOCKET) -> str:
        """Send a line and return the whole response. Raises HAProxyUnreachable."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._call(line, name)
        except (OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise HAProxyUnreachable(f"HAProxy does not answer: {reason}") from error

    async def send(self, worker: int, commands: Iterable[str]) -> str:
        """Send commands to a worker in as few calls as possible; return the responses.

        Raises HAProxyUnreachable.
        """
        responses = []
        line = ""
        name = MASTER_SOCKET if worker else WORKER_SOCKET
        for command in commands:
            addressed = f"@!{worker} {command}" if worker else command
            if line and len(line) + len(addressed) > _MAX_LINE_BYTES:
                responses.append(await self.call(line, name))
                line = ""
            line += (";" if line else "") + addressed
        if line:
            responses.append(await self.call(line, name))
        return "".join(responses)

    async def processes(self) -> Processes:
        """List the processes. Raises HAProxyUnreachable."""
        response = await self.call("show proc")
        current, _, old = response.partition("# old workers")
        masters = _MASTER.findall(current)
        if not masters:
            raise HAProxyUnreachable(f"no list of processes: {response[:200]!r}")
        workers = (tuple(map(int, _WORKER.findall(part))) for part in (current, old))
        return Processes(int(masters[0]), *workers)

    async def digest(self) -> str:
        """Return the digest of the configuration that the accepting worker has loaded."""
        found = _DIGEST.search(await self.send(CURRENT, ["show info"]))
        return found[1] if found else ""

    async def read_map(self, worker: int, name: str) -> dict[str, str]:
        """Return a map of a worker."""
        response = await self.send(worker, [f"show map {name}"])
        rows = (line.split(" ", 2) for line in response.splitlines())
        return {row[1]: row[2] for row in rows if len(row) == 3}  # noqa: PLR2004

    async def table(self, worker: int, name: str, only: str = "") -> list[TableEntry]:
        """Return the entries of a worker's stick table that match `only`, a filter of HAProxy."""
        response = await self.send(worker, [f"show table {name} {only}".rstrip()])
        return await asyncio.to_thread(_entries, response)  # there may be very many

    async def servers(self, worker: int) -> dict[str, str]:
        """Return the addresses of a worker's servers, by `backend/server`."""
        response = await self.send(worker, ["show servers state"])
        rows = (line.split(" ", 5) for line in response.splitlines())
        return {f"{row[1]}/{row[3]}": row[4] for row in rows if len(row) > _ADDRESS}

    async def sessions(self, worker: int, backends: frozenset[str]) -> list[str]:
        """Return the ids of a worker's sessions that use one of the backends."""
        response = await self.send(worker, ["show sess"])
        return [
            line.partition(":")[0]
            for line in response.splitlines()
            if line.startswith("0x") and dict(_PAIR.findall(line)).get("be") in backends
        ]

    async def _call(self, line: str, name: str) -> str:
        # Through the folder's descriptor: a socket's path has at most 107 bytes.
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            reader, writer = await asyncio.open_unix_connection(
                f"/proc/self/fd/{folder}/{name}"
            )
        finally:
            os.close(folder)
        try:
            writer.write(line.encode() + b"\n")
            writer.write_eof()
            return (await reader.read()).decode("utf-8", "replace")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def find(self) -> Processes | None:
        """Return the processes of the running HAProxy, None if none answers."""
        try:
            processes = await self.processes()
        except HAProxyUnreachable:
            return None
        self._pid = processes.master
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
            start_new_session=True,  # without a terminal, it cannot wait for a person
        )  # fmt: skip
        try:
            async with asyncio.timeout(_START_SECONDS):
                output, _ = await check.communicate()
        except TimeoutError as error:
            raise ConfigRejected("the check took too long") from error
        finally:
            if check.returncode is None:  # or the agent stops
                check.kill()
                await check.wait()
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
        self._pid = self._child.pid
        return await self._wait_for_new_worker(frozenset())

    async def reload(self) -> Processes:
        """Replace the workers; the old ones keep their connections.

        Raises ConfigRejected if no new worker starts, HAProxyUnreachable.
        """
        before = await self.processes()
        await self.call("reload")
        return await self._wait_for_new_worker(frozenset(before.workers))

    def stop(self, *, drain: bool) -> None:
        """Make HAProxy stop after its last connection, or immediately.

        Call it when HAProxy answers: the signal would end it during a reload.
        """
        if self._is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGUSR1 if drain else signal.SIGTERM)

    async def stop_own(self) -> None:
        """Stop the HAProxy that this agent has started, if any."""
        if self._child is not None:
            self.stop(drain=False)
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
        state, _ = _state_of(self._pid)
        return state not in _EXITED

    async def _wait_for_new_worker(self, before: frozenset[int]) -> Processes:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._child is not None and self._child.returncode is not None:
                break
            with contextlib.suppress(HAProxyUnreachable):
                processes = await self.processes()
                if processes.current and before.isdisjoint(processes.current):
                    return processes
            await asyncio.sleep(_POLL_SECONDS)
        raise ConfigRejected("HAProxy has no new worker; its own messages say why.")


def _entries(response: str) -> list[TableEntry]:
    return [_entry(line) for line in response.splitlines() if line.startswith("0x")]


def _entry(line: str) -> TableEntry:
    pairs = dict(_PAIR.findall(line))
    values = {name: int(text) for name, text in pairs.items() if text.isdigit()}
    return TableEntry(
        key=pairs.get("key", ""),
        is_used=values.get("use", 0) > 0,
        expires_ms=values.get("exp", 0),
        requests=values.get("gpc0", 0),
        bytes_from_client=values.get("bytes_in_cnt", 0),
        bytes_to_client=values.get("bytes_out_cnt", 0),
    )


def find_program(name: str) -> str:
    """Return the path of the HAProxy program. Raises StartupError."""
    program = shutil.which(name, path=os.environ.get("PATH", os.defpath) + _DEBIAN)
    if program is None:
        raise StartupError(
            "HAProxy is not installed. Install it, for example with: "
            "apt-get install haproxy"
        )
    return program


def identity_of(master: int) -> str:
    """Return an id of one run of a master: its process id and start time, in clock ticks."""
    _, started_at = _state_of(master)
    # Without a start time, it is in another process namespace.
    return f"{master}@{started_at or 'unknown'}"


def _state_of(process: int) -> tuple[str, str]:
    """Return a process's state and its start time in clock ticks, as in proc(5); "" if unknown.

    A process that has exited is listed until its parent, or the init of a container, has
    waited for it.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
        fields = stat.rpartition(")")[2].split()  # the name may contain spaces
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""


def _environment() -> dict[str, str]:
    # Not the agent's: HAProxy expands variables in words, and OpenSSL reads some.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
