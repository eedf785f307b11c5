"""The worker processes of an edge: started, sent messages, and restarted when they exit."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Self

from products.backoff import RestartBackoff
from products.edge.settings import Settings, make_instance_id

log = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 0.5
_LENGTH = struct.Struct(">I")


class WorkerChannel:
    """Messages between the control process and a worker: JSON with its length before it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Send and receive over streams."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connection: socket.socket) -> Self:
        """Send and receive over a socket, which the channel then owns."""
        return cls(*await asyncio.open_connection(sock=connection))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; does nothing when the other end is gone."""
        data = json.dumps(message).encode()
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(data)) + data)

    async def receive(self) -> dict[str, Any] | None:
        """Wait for a message; None when the other end is gone."""
        try:
            head = await self._reader.readexactly(_LENGTH.size)
            data = await self._reader.readexactly(_LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        message = json.loads(data)
        return message if isinstance(message, dict) else None

    def close(self) -> None:
        """Close this end."""
        self._writer.close()


class WorkerPool:
    """As many workers as the settings say."""

    def __init__(
        self, settings: Settings, first_messages: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Prepare; `first_messages` returns what every new worker needs before it serves."""
        self._settings = settings
        self._first_messages = first_messages
        self._stopping = asyncio.Event()
        self._channels: dict[str, WorkerChannel] = {}  # by instance, as the next three
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._serving: set[str] = set()
        self.statuses: dict[str, dict[str, Any]] = {}
        self.all_serve = asyncio.Event()
        self.failure = ""  # why the edge cannot start

    async def run(self) -> None:
        """Keep the workers running until `stop`, and wait until they have exited."""
        keepers = [self._keep_one() for _ in range(self._settings.processes)]
        await asyncio.gather(*keepers)

    def stop(self) -> None:
        """Ask all workers to drain and exit; on the second call they exit immediately."""
        self._stopping.set()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to every worker."""
        for channel in self._channels.values():
            channel.send(message)

    def send_to(self, instance: str, message: dict[str, Any]) -> None:
        """Send a message to the worker of an instance, if it is one of these."""
        if (channel := self._channels.get(instance)) is not None:
            channel.send(message)

    async def _keep_one(self) -> None:
        backoff = RestartBackoff(_FIRST_DELAY_SECONDS)
        while not self._stopping.is_set():
            started_at = time.monotonic()
            instance = make_instance_id(time.time_ns() // 1_000_000)
            try:
                await self._run_one(instance)
            except OSError as error:
                self._cannot_start(str(error))
            finally:
                self._forget(instance)
            if self._stopping.is_set():
                return
            if self.failure:
                self.stop()
                return
            delay = backoff.delay_after(time.monotonic() - started_at)
            log.error("A worker exited. Another starts in %.1f s.", delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_one(self, instance: str) -> None:
        here, there = socket.socketpair()
        with there:
            channel = await WorkerChannel.over(here)
            self._channels[instance] = channel
            channel.send({"settings": asdict(self._settings), "instance": instance})
            for message in [*self._first_messages(), {"may_serve": True}]:
                channel.send(message)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "products.edge.proxy.worker",
                str(there.fileno()),
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal reaches only this process
            )
        self._processes[instance] = process
        if self._stopping.is_set():
            process.terminate()
        await self._receive(instance, channel)
        await process.wait()

    async def _receive(self, instance: str, channel: WorkerChannel) -> None:
        while (message := await channel.receive()) is not None:
            if "ready" in message:
                self._serving.add(instance)
                if len(self._serving) == self._settings.processes:
                    self.all_serve.set()
            elif "status" in message:
                self.statuses[instance] = message["status"]
            elif "failed" in message:
                self._cannot_start(str(message["failed"]))

    def _cannot_start(self, reason: str) -> None:
        # After all have served once, the cause may pass, and open tunnels are worth more than
        # a full number of workers.
        if self.all_serve.is_set():
            log.error("A worker cannot start: %s", reason)
        else:
            self.failure = reason

    def _forget(self, instance: str) -> None:
        channel = self._channels.pop(instance, None)
        if channel is not None:
            channel.close()
        self._processes.pop(instance, None)
        self._serving.discard(instance)
        self.statuses.pop(instance, None)
