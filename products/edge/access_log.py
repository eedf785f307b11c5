"""The customer's log: one line when a request is accepted, and where it goes (R10).

Lines wait in bounded queues; a full one drops the newest and counts it. Nothing here
ever makes a connection wait.
"""

import fcntl
import functools
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from products.edge.contract import Route, RouteLogEndpoint
from products.edge.headers import RequestHead
from products.instants import iso_instant

log = logging.getLogger(__name__)

_MAX_QUEUED_LINES = 10_000
_MAX_WRITE_BYTES = 1024 * 1024  # in one write, so that a burst does not stop the loop
_FILE_BYTES = 256 * 1024 * 1024  # then it is rotated; the one before is kept
_LINES_PER_BATCH = 64  # lines: half a millisecond
_QUOTE = json.encoder.encode_basestring_ascii
_cached_json = functools.lru_cache(maxsize=4096)(json.dumps)  # texts that repeat

# What a line is formed of: route, head, client, microseconds, why refused.
_QueuedLine: TypeAlias = tuple[Route, RequestHead, str, int, str]


class LogFile:
    """A JSON Lines file, opened anew when somebody rotated it away.

    It is rotated here too when it has grown, because the usage store needs the disk.
    """

    def __init__(self, path: Path) -> None:
        """Write to a path, whose folder exists."""
        self._path = path
        self._waiting: deque[bytes] = deque()
        self._descriptor = -1
        self.dropped = 0

    def note(self, line: bytes) -> None:
        """Queue a line."""
        if len(self._waiting) >= _MAX_QUEUED_LINES:
            self.dropped += 1
            return
        self._waiting.append(line)

    def flush(self) -> None:
        """Write what waits; whole lines in one write, for processes share the file."""
        while self._waiting:
            lines: list[bytes] = []
            size = 0
            while self._waiting and size < _MAX_WRITE_BYTES:
                lines.append(self._waiting.popleft())
                size += len(lines[-1])
            try:
                self._reopen_if_moved()
                self._write(b"".join(lines))
            except OSError as error:
                log.warning("The access log could not be written: %s", error)
                self.dropped += len(lines)
                return

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self.flush()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(
            data
        ):  # a disk that is full to the brim; the next call says so
            os.write(self._descriptor, data[written:])
        if os.fstat(self._descriptor).st_size >= _FILE_BYTES:
            self._rotate()

    def _rotate(self) -> None:
        # Processes share the file: one of them renames it, the others see it moved.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            if self._is_in_place():
                self._path.rename(self._path.with_suffix(".jsonl.1"))
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _is_in_place(self) -> bool:
        try:
            return os.fstat(self._descriptor).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def _reopen_if_moved(self) -> None:
        if self._descriptor >= 0:
            if self._is_in_place():
                return
            os.close(self._descriptor)
            self._descriptor = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(self._path, flags, 0o600)


class AccessLog:
    """Writes a line about a request to the local file and the service's endpoints."""

    def __init__(
        self,
        edge: str,
        file: LogFile,
        ship: Callable[[RouteLogEndpoint, str, bytes], None],
    ) -> None:
        """Name the edge in every line; `ship` takes (endpoint, service, line)."""
        self._edge = edge
        self._file = file
        self._ship = ship
        self._noted: list[_QueuedLine] = []

    def note(
        self,
        route: Route,
        head: RequestHead,
        *,
        client: str,
        at_us: int,
        refused: str = "",
    ) -> None:
        """Write that a request was accepted, or why it was refused.

        `at_us` is the wall clock in microseconds. The line is formed a little later,
        together with others: one at a time costs the connection three times as much.
        """
        self._noted.append((route, head, client, at_us, refused))
        if len(self._noted) >= _LINES_PER_BATCH:
            self._form()

    def flush(self) -> None:
        """Form the lines that were noted, and write what waits for the file."""
        self._form()
        self._file.flush()

    def close(self) -> None:
        """Write what was noted and let go of the file."""
        self._form()
        self._file.close()

    @property
    def dropped(self) -> int:
        """How many lines the file did not take."""
        return self._file.dropped

    def _form(self) -> None:
        noted, self._noted = self._noted, []
        for route, head, client, at_us, refused in noted:
            line = self._line(route, head, client, at_us, refused)
            if not route.log_endpoints:
                self._file.note((line + "}\n").encode())
                continue
            asked = {name for end in route.log_endpoints for name in end.fields}
            self._file.note(_with_fields(line, head, sorted(asked)))
            for endpoint in route.log_endpoints:
                self._ship(
                    endpoint, route.service, _with_fields(line, head, endpoint.fields)
                )

    def _line(
        self, route: Route, head: RequestHead, client: str, at_us: int, refused: str
    ) -> str:
        path = head.target.partition(b"?")[0].decode("latin-1")
        line = (
            f'{{"time":"{iso_instant(at_us)}","event":"{"refused" if refused else "accepted"}"'
            f',"service":{_cached_json(route.service)},"client":{_cached_json(client)}'
            f',"method":{_QUOTE(head.method.decode("latin-1"))}'
            f',"host":{_cached_json(head.host)},"path":{_QUOTE(path)},"edge":{_cached_json(self._edge)}'
        )
        return f'{line},"reason":{_cached_json(refused)}' if refused else line


def _with_fields(line: str, head: RequestHead, asked: Iterable[str]) -> bytes:
    fields = {
        name: ", ".join(value.decode("latin-1") for value in values)
        for name in asked
        if (values := head.values(name.lower().encode("latin-1", "replace")))
    }
    more = f',"fields":{json.dumps(fields, separators=(",", ":"))}' if fields else ""
    return f"{line}{more}}}\n".encode()
