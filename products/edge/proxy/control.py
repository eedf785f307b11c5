"""The control process: polls the route table, reports usage, keeps the workers running."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from products.backoff import RestartBackoff
from products.edge.contract import EdgeStatus
from products.edge.errors import StartupError
from products.edge.portal import PortalLink
from products.edge.proxy.worker import WorkerChannel
from products.edge.settings import Settings, make_instance_id
from products.edge.startup import FolderLock, announce
from products.edge.usage.instances import is_running

log = logging.getLogger(__name__)

_LOCK_SECONDS = 0.1
_FIRST_DELAY_SECONDS = 0.5  # before a worker that exited is started again
_FIRST_TABLE_SECONDS = 2.0


@dataclass(slots=True)
class _RunningWorker:
    """A worker, from its start until it has exited."""

    channel: WorkerChannel
    process: asyncio.subprocess.Process | None = None
    serves: bool = False
    status: dict[str, Any] | None = None


class WorkerPool:
    """As many workers as the settings say."""

    def __init__(
        self, settings: Settings, first_messages: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Prepare; `first_messages` returns what every new worker needs before it serves."""
        self._settings = settings
        self._first_messages = first_messages
        self._stopping = asyncio.Event()
        self._workers: dict[str, _RunningWorker] = {}  # by instance
        self.all_serve = asyncio.Event()
        self.failure = ""  # why the edge cannot start

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """The last status of each worker that has sent one."""
        return [worker.status for worker in self._workers.values() if worker.status]

    async def run(self) -> None:
        """Keep the workers running until `stop`, and wait until they have exited."""
        keepers = [self._keep_one() for _ in range(self._settings.processes)]
        await asyncio.gather(*keepers)

    def stop(self) -> None:
        """Ask all workers to drain and exit; on the second call they exit immediately."""
        self._stopping.set()
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                if worker.process is not None:
                    worker.process.send_signal(signal.SIGTERM)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to every worker."""
        for worker in self._workers.values():
            worker.channel.send(message)

    def send_to(self, instance: str, message: dict[str, Any]) -> None:
        """Send a message to the worker of an instance, if it is one of these."""
        if (worker := self._workers.get(instance)) is not None:
            worker.channel.send(message)

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
                if (worker := self._workers.pop(instance, None)) is not None:
                    worker.channel.close()
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
            worker = self._workers[instance] = _RunningWorker(channel)
            channel.send({"settings": asdict(self._settings), "instance": instance})
            for message in [*self._first_messages(), {"may_serve": True}]:
                channel.send(message)
            worker.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "products.edge.proxy.worker",
                str(there.fileno()),
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal reaches only this process
            )
        if self._stopping.is_set():
            worker.process.terminate()
        await self._receive(worker)
        await worker.process.wait()

    async def _receive(self, worker: _RunningWorker) -> None:
        while (message := await worker.channel.receive()) is not None:
            if "ready" in message:
                worker.serves = True
                serving = sum(one.serves for one in self._workers.values())
                if serving == self._settings.processes:
                    self.all_serve.set()
            elif "status" in message:
                worker.status = message["status"]
            elif "failed" in message:
                self._cannot_start(str(message["failed"]))

    def _cannot_start(self, reason: str) -> None:
        # After all have served once, the cause may pass, and open tunnels are worth more than
        # a full number of workers.
        if self.all_serve.is_set():
            log.error("A worker cannot start: %s", reason)
        else:
            self.failure = reason


class ControlProcess:
    """One edge: its table, its reports, its workers."""

    def __init__(
        self,
        settings: Settings,
        portal: PortalLink,
        held: list[socket.socket],
        lock: FolderLock,
    ) -> None:
        """Prepare; the `held` sockets keep the ports until the workers listen.

        If another edge has the folder's `lock`, this one takes over: it serves first, then
        asks the other to drain, and reports usage once it has the lock.
        """
        self._settings = settings
        self._portal = portal
        self._held = held
        self._lock = lock
        self._usage_folder = Path(settings.data_folder) / "usage"
        self._store_has_capacity = True
        self._has_polled = asyncio.Event()
        self._workers = WorkerPool(settings, self._first_messages)

    async def run(self) -> None:
        """Serve until asked to stop. Raises StartupError if a worker cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._workers.stop)
        jobs = [
            asyncio.ensure_future(job())
            for job in (self._announce, self._follow_table, self._report_usage)
        ]
        if self._portal.table is None:
            # Wait a little for a first table. Without a portal the edge starts all the same.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_polled.wait(), _FIRST_TABLE_SECONDS)
        await self._workers.run()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        if self._workers.failure:
            raise StartupError(self._workers.failure)
        if self._lock.is_held:
            await self._portal.last_report(
                self._is_running, is_writable=self._store_is_writable()
            )

    def status(self) -> EdgeStatus:
        """Return the state of the workers."""
        statuses = self._workers.statuses
        return EdgeStatus(
            engine="embedded",
            revision=min((one["revision"] for one in statuses), default=0),
            open_connections=sum(one["open"] for one in statuses),
            rejected_connections=sum(one["rejected"] for one in statuses),
            log_lines_dropped=sum(one["log_lines_dropped"] for one in statuses),
            store_is_writable=self._store_is_writable(),
        )

    def _store_is_writable(self) -> bool:
        return all(one["store_is_writable"] for one in self._workers.statuses)

    def _first_messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"store_has_capacity": self._store_has_capacity}
        ]
        if self._portal.table is not None:
            messages.append({"table": self._portal.table.to_json()})
        return messages

    async def _announce(self) -> None:
        """Print where the edge listens, once all workers do."""
        await self._workers.all_serve.wait()
        announce(self._settings, self._held)

    async def _follow_table(self) -> None:
        while True:
            table = await self._portal.poll(self.status())
            if table is not None:
                self._workers.send({"table": table.to_json()})
                await self._portal.save()
            self._has_polled.set()
            await asyncio.sleep(self._settings.poll_seconds)

    async def _take_over(self) -> None:
        await self._workers.all_serve.wait()
        self._lock.ask_holder_to_stop()
        while not self._lock.take():  # noqa: ASYNC110 - a lock has no event
            await asyncio.sleep(_LOCK_SECONDS)

    async def _report_usage(self) -> None:
        if not self._lock.is_held:
            await self._take_over()
        while True:
            pause = await self._portal.report(
                self._is_running, is_writable=self._store_is_writable()
            )
            self._send_store_state()
            await asyncio.sleep(pause)

    def _is_running(self, instance: str) -> bool:
        # In a take-over, workers of the other edge write here too.
        return is_running(self._usage_folder / instance)

    def _send_store_state(self) -> None:
        """Send the workers whether the store has capacity, and what they may prune."""
        if self._portal.reporter.has_capacity != self._store_has_capacity:
            self._store_has_capacity = self._portal.reporter.has_capacity
            log.error("The usage store has capacity: %s.", self._store_has_capacity)
            self._workers.send({"store_has_capacity": self._store_has_capacity})
        for instance, pruning in self._portal.reporter.pruning.items():
            self._workers.send_to(instance, {"prune": pruning})
