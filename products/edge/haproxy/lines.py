"""Receives HAProxy's log lines, each in two ways, and passes every line on once.

A datagram arrives immediately, even from a worker that is exiting. It is dropped if the
socket's short queue is full or no agent runs. The stream comes from a ring in HAProxy, which
keeps lines for an agent that was away, and is lost with its worker.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

DATAGRAMS, STREAM = "log.sock", "log.stream"

_BATCH_SIZE = 500  # datagrams read before the loop may do something else
_MAX_LINE_BYTES = 64 * 1024
_MAX_REMEMBERED_LINES = 100_000
_IDENTITY = 56  # bytes at a line's start that contain the event and the connection's id


class Lines:
    """The receiving end of HAProxy's log."""

    def __init__(self, folder: Path, take: Callable[[dict[str, Any]], None]) -> None:
        """Receive in a folder; `take` is called with each line, and may raise."""
        self._folder = folder
        self._take = take
        self._seen: dict[bytes, None] = {}  # the oldest first
        self._datagrams: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._directory = -1
        self.unreadable = 0

    async def open(self) -> None:
        """Listen on both sockets, and replace those of an earlier agent. Raises OSError.

        The agent waits with it for a session, because until then the ring keeps the lines.
        """
        if self._server is not None:
            return
        # Through the folder's descriptor: a socket's path has at most 107 bytes.
        self._directory = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        loop = asyncio.get_running_loop()
        self._datagrams = self._bound(DATAGRAMS, socket.SOCK_DGRAM)
        loop.add_reader(self._datagrams, self._read_datagrams)
        stream = self._bound(STREAM, socket.SOCK_STREAM)
        self._server = await asyncio.start_unix_server(self._read_stream, sock=stream)

    def close(self) -> None:
        """Receive the datagrams that have arrived, and stop listening."""
        if self._datagrams is not None:
            self._read_datagrams()
            asyncio.get_running_loop().remove_reader(self._datagrams)
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        if self._directory >= 0:
            os.close(self._directory)

    def receive(self, line: bytes) -> None:
        """Pass one line on, unless it has arrived before."""
        if not line.startswith(b"{"):
            return  # a message of HAProxy itself, for example that a proxy has stopped
        identity = line[:_IDENTITY]
        if identity in self._seen:
            return
        self._seen[identity] = None
        if len(self._seen) > _MAX_REMEMBERED_LINES:
            del self._seen[next(iter(self._seen))]
        try:
            self._take(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            self.unreadable += 1
            log.warning("A line from HAProxy is not valid: %s", error)

    def _bound(self, name: str, kind: socket.SocketKind) -> socket.socket:
        path = f"/proc/self/fd/{self._directory}/{name}"
        with contextlib.suppress(FileNotFoundError):
            (self._folder / name).unlink()
        bound = socket.socket(socket.AF_UNIX, kind)
        bound.setblocking(False)  # noqa: FBT003 - the method has no name for it
        bound.bind(path)
        return bound

    def _read_datagrams(self) -> None:
        assert self._datagrams is not None  # noqa: S101 - called after `open`
        for _ in range(_BATCH_SIZE):
            try:
                line = self._datagrams.recv(_MAX_LINE_BYTES)
            except OSError:
                return
            self.receive(line)

    async def _read_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # RFC 6587, 3.4.1: a length in digits, a space, so many bytes.
        try:
            while True:
                length = int(await reader.readuntil(b" "))
                if not 0 < length <= _MAX_LINE_BYTES:
                    break
                self.receive((await reader.readexactly(length)).rstrip(b"\n"))
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
        ):
            pass
        except (ValueError, OSError) as error:
            log.warning("The stream from HAProxy is not valid: %s", error)
        finally:
            writer.close()
