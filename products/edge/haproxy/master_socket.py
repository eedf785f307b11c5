"""Speaks with HAProxy: to the master's socket, and through it to every worker.

A worker that drains after a reload is reached by its process id; its own socket is its
successor's by then. The one that accepts has a socket for what cannot wait: during a
reload the master is silent for as long as it reads the configuration.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MASTER_SOCKET = "master.sock"
WORKER_SOCKET = "worker.sock"  # of the worker that accepts
CURRENT = 0  # in place of a process id: that worker, asked without the master

_TIMEOUT_SECONDS = 10.0
_MAX_LINE_BYTES = 8_000  # bytes of commands in one call; HAProxy's buffer is larger
_ADDRESS = 4  # where it stands in a line of servers
_PAIR = re.compile(r"(\w+)=(\S*)")


class HAProxyUnreachable(Exception):
    """HAProxy's socket does not answer."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Who runs: the master, the worker that accepts, and those that drain."""

    master: int
    current: tuple[int, ...]
    old: tuple[int, ...]

    @property
    def workers(self) -> tuple[int, ...]:
        """Everybody who carries connections."""
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
        """Speak to the socket in a folder, whose path may be longer than a socket's."""
        self._folder = folder

    async def call(self, line: str, name: str = MASTER_SOCKET) -> str:
        """Send a line and give the whole answer. Raises HAProxyUnreachable."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._call(line, name)
        except (OSError, TimeoutError) as error:
            raise HAProxyUnreachable(str(error) or type(error).__name__) from error

    async def tell(self, worker: int, commands: Iterable[str]) -> str:
        """Send commands to a worker, as few calls as they fit in; gives the answers."""
        answers = []
        line = ""
        name = MASTER_SOCKET if worker else WORKER_SOCKET
        for command in commands:
            addressed = f"@!{worker} {command}" if worker else command
            if line and len(line) + len(addressed) > _MAX_LINE_BYTES:
                answers.append(await self.call(line, name))
                line = ""
            line += (";" if line else "") + addressed
        if line:
            answers.append(await self.call(line, name))
        return "".join(answers)

    async def processes(self) -> Processes:
        """List the processes. Raises HAProxyUnreachable."""
        answer = await self.call("show proc")
        found: dict[str, list[int]] = {"master": [], "worker": [], "old": []}
        section = "worker"
        for line in answer.splitlines():
            words = line.split()
            if line.startswith("# old"):
                section = "old"
            elif words[1:2] == ["master"]:
                found["master"].append(int(words[0]))
            elif words[1:2] == ["worker"] and words[0].isdigit():
                found[section].append(int(words[0]))
        if not found["master"]:
            raise HAProxyUnreachable(f"no list of processes: {answer[:200]!r}")
        return Processes(
            found["master"][0], tuple(found["worker"]), tuple(found["old"])
        )

    async def map_of(self, worker: int, name: str) -> dict[str, str]:
        """Read a map as a worker has it."""
        answer = await self.tell(worker, [f"show map {name}"])
        rows = (line.split(" ", 2) for line in answer.splitlines())
        return {row[1]: row[2] for row in rows if len(row) == 3}  # noqa: PLR2004

    async def table(self, worker: int, name: str, only: str = "") -> list[TableEntry]:
        """Read a stick table of a worker, `only` being HAProxy's own filter."""
        answer = await self.tell(worker, [f"show table {name} {only}".rstrip()])
        return await asyncio.to_thread(_entries, answer)  # there may be very many

    async def servers(self, worker: int) -> dict[str, str]:
        """Read the addresses of a worker's servers, by `backend/server`."""
        answer = await self.tell(worker, ["show servers state"])
        rows = (line.split(" ", 5) for line in answer.splitlines())
        return {f"{row[1]}/{row[3]}": row[4] for row in rows if len(row) > _ADDRESS}

    async def sessions(self, worker: int, backends: frozenset[str]) -> list[str]:
        """List the ids of a worker's sessions that are at certain backends."""
        answer = await self.tell(worker, ["show sess"])
        return [
            line.partition(":")[0]
            for line in answer.splitlines()
            if line.startswith("0x") and dict(_PAIR.findall(line)).get("be") in backends
        ]

    async def _call(self, line: str, name: str) -> str:
        # Through the folder's descriptor, for a socket's path has 107 bytes at most.
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


def _entries(answer: str) -> list[TableEntry]:
    return [_entry(line) for line in answer.splitlines() if line.startswith("0x")]


def _entry(line: str) -> TableEntry:
    pairs = dict(_PAIR.findall(line))
    values = {name: int(text) for name, text in pairs.items() if text.isdigit()}
    return TableEntry(
        pairs.get("key", ""), values.pop("use", 0) > 0, values.pop("exp", 0), values
    )
