"""The workers of an edge: started, spoken to, and started again when they die."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from products.edge.proxy.channel import Channel
from products.edge.settings import Settings
from products.edge.ulid import make_ulid

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5  # before a worker that died is replaced; doubled each time
_MAX_PAUSE_SECONDS = 30.0
_READ_BYTES = 256 * 1024


class WorkerPool:
    """As many workers as the settings say."""

    def __init__(
        self, settings: Settings, greet: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Prepare; `greet` gives what every new worker must be told."""
        self._settings = settings
        self._greet = greet
        self._stopping = asyncio.Event()
        self._channels: dict[str, Channel] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._serving: set[str] = set()
        self.all_serve = asyncio.Event()
        self.statuses: dict[str, dict[str, Any]] = {}
        self.failure = ""  # why the edge cannot start at all

    async def run(self) -> None:
        """Keep the workers alive until `stop`, and wait for their end."""
        keepers = [self._keep_one() for _ in range(self._settings.processes)]
        await asyncio.gather(*keepers)

    def stop(self) -> None:
        """Ask all workers to drain and end; asked twice, they end at once."""
        self._stopping.set()
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to every worker."""
        for channel in self._channels.values():
            channel.send(message)

    def tell_one(self, instance: str, message: dict[str, Any]) -> None:
        """Send a message to the worker of an instance, if it is one of these."""
        if (channel := self._channels.get(instance)) is not None:
            channel.send(message)

    async def _keep_one(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            instance = make_ulid(time.time_ns() // 1_000_000)
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
            if time.monotonic() - started > _MAX_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            log.error("A worker died; another starts in %.1f s.", pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    async def _run_one(self, instance: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            channel = await Channel.over(ours)
            self._channels[instance] = channel
            channel.send({"settings": asdict(self._settings), "instance": instance})
            for message in [*self._greet(), {"greeted": True}]:
                channel.send(message)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "products.edge.proxy.worker",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a terminal's Ctrl-C reaches this alone
            )
        self._processes[instance] = process
        if self._stopping.is_set():
            process.terminate()
        await self._listen(instance, channel)
        await process.wait()

    async def _listen(self, instance: str, channel: Channel) -> None:
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
        # Once all have served, what is in the way may pass, and tunnels are worth more
        # than a full number of workers.
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
