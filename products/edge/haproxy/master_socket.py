"""Sends commands to HAProxy: to the master's socket, and through it to every worker.

A worker that drains after a reload is reached by its process id, because its successor has
its socket. The worker that accepts connections also has a socket for what cannot wait:
during a reload the master does not answer until it has read the configuration.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MASTER_SOCKET = "master.sock"
WORKER_SOCKET = "worker.sock"  # of the worker that accepts connections
CURRENT = 0  # instead of a process id: that worker, through its own socket

_TIMEOUT_SECONDS = 10.0
_MAX_LINE_BYTES = 8_000  # bytes of commands in one call; HAProxy's buffer is larger
_ADDRESS = 4  # its column in `show servers state`
_PAIR = re.compile(r"(\w+)=(\S*)")


class HAProxyUnreachable(Exception):
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
    values: dict[str, int]


class MasterSocket:
    """The command line of one HAProxy, in a folder."""

    def __init__(self, folder: Path) -> None:
        """Use the sockets in a folder."""
        self._folder = folder

    async def call(self, line: str, name: str = MASTER_SOCKET) -> str:
        """Send a line and return the whole response. Raises HAProxyUnreachable."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._call(line, name)
        except (OSError, TimeoutError) as error:
            raise HAProxyUnreachable(str(error) or type(error).__name__) from error

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
        found: dict[str, list[int]] = {"master": [], "worker": [], "old": []}
        section = "worker"
        for line in response.splitlines():
            words = line.split()
            if line.startswith("# old"):
                section = "old"
            elif words[1:2] == ["master"]:
                found["master"].append(int(words[0]))
            elif words[1:2] == ["worker"] and words[0].isdigit():
                found[section].append(int(words[0]))
        if not found["master"]:
            raise HAProxyUnreachable(f"no list of processes: {response[:200]!r}")
        return Processes(
            found["master"][0], tuple(found["worker"]), tuple(found["old"])
        )

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


def _entries(response: str) -> list[TableEntry]:
    return [_entry(line) for line in response.splitlines() if line.startswith("0x")]


def _entry(line: str) -> TableEntry:
    pairs = dict(_PAIR.findall(line))
    values = {name: int(text) for name, text in pairs.items() if text.isdigit()}
    return TableEntry(
        pairs.get("key", ""), values.pop("use", 0) > 0, values.pop("exp", 0), values
    )
