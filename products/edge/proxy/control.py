"""The control process: polls the route table, reports usage, keeps the workers running."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from products.backoff import RestartBackoff
from products.edge.contract import EdgeStatus, RouteTable
from products.edge.errors import StartupError
from products.edge.periodic import cancel, on_stop_signal, start_periodic
from products.edge.portal import PortalLink
from products.edge.proxy.worker import (
    WorkerChannel,
    WorkerReport,
    WorkerStart,
    WorkerUpdate,
)
from products.edge.settings import Settings, make_instance_id
from products.edge.startup import FolderLock, announce
from products.edge.usage.instances import is_running

log = logging.getLogger(__name__)

_LOCK_SECONDS = 0.1  # between two looks whether another edge has exited
_FIRST_DELAY_SECONDS = 0.5  # before a worker that exited is started again
_FIRST_TABLE_SECONDS = 2.0


@dataclass(slots=True)
class _RunningWorker:
    """A worker, from its start until it has exited."""

    channel: WorkerChannel
    process: asyncio.subprocess.Process
    status: EdgeStatus | None = None  # from when it serves on


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
        self._usage_folder = Path(settings.data_dir) / "usage"
        self._has_polled = asyncio.Event()
        self._workers: dict[str, _RunningWorker] = {}  # by instance
        self._all_serve = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failure = ""  # why the edge cannot start

    async def run(self) -> None:
        """Serve until asked to stop. Raises StartupError if a worker cannot start."""
        on_stop_signal(self._stop_workers)
        jobs = start_periodic(
            (self._settings.poll_seconds, self._follow_table),
            (_LOCK_SECONDS, self._report_usage),
        )
        jobs.append(asyncio.ensure_future(self._announce()))
        if self._portal.table is None:
            # Wait a little for a first table. Without a portal the edge starts all the same.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_polled.wait(), _FIRST_TABLE_SECONDS)
        keepers = [self._keep_worker() for _ in range(self._settings.processes)]
        await asyncio.gather(*keepers)
        await cancel(jobs)
        if self._failure:
            raise StartupError(self._failure)
        if self._lock.is_held:
            await self._portal.last_report(
                self._is_running, is_writable=self._store_is_writable()
            )

    def status(self) -> EdgeStatus:
        """Return the state of the workers."""
        statuses = self._statuses
        return EdgeStatus(
            engine="embedded",
            revision=min((one.revision for one in statuses), default=0),
            open_connections=sum(one.open_connections for one in statuses),
            rejected_connections=sum(one.rejected_connections for one in statuses),
            log_lines_dropped=sum(one.log_lines_dropped for one in statuses),
            store_is_writable=self._store_is_writable(),
        )

    def _store_is_writable(self) -> bool:
        return all(one.store_is_writable for one in self._statuses)

    @property
    def _statuses(self) -> list[EdgeStatus]:
        """The last status of each worker that serves."""
        return [worker.status for worker in self._workers.values() if worker.status]

    def _update(self, table: RouteTable | None = None) -> WorkerUpdate:
        has_capacity = self._portal.reporter.has_capacity
        return WorkerUpdate(table=table, store_has_capacity=has_capacity)

    def _send_workers(self, update: WorkerUpdate) -> None:
        for worker in self._workers.values():
            worker.channel.send(update)

    async def _announce(self) -> None:
        """Print where the edge listens, once all workers do; then take over."""
        await self._all_serve.wait()
        announce(self._settings, self._held)
        if not self._lock.is_held:
            self._lock.ask_holder_to_stop()

    async def _follow_table(self) -> None:
        table = await self._portal.poll(self.status())
        if table is not None:
            self._send_workers(self._update(table))
            await self._portal.save()
        self._has_polled.set()

    async def _report_usage(self) -> None:
        if not (self._lock.is_held or self._lock.take()):
            return  # another edge reports until it has exited
        pause = await self._portal.report(
            self._is_running, is_writable=self._store_is_writable()
        )
        self._send_workers(self._update())
        await asyncio.sleep(pause)

    def _is_running(self, instance: str) -> bool:
        # In a take-over, workers of the other edge write here too.
        return is_running(self._usage_folder / instance)

    def _stop_workers(self) -> None:
        """Ask all workers to drain and exit; on the second call they exit immediately."""
        self._stopping.set()
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGTERM)

    async def _keep_worker(self) -> None:
        backoff = RestartBackoff(_FIRST_DELAY_SECONDS)
        while not self._stopping.is_set():
            started_at = time.monotonic()
            instance = make_instance_id()
            try:
                await self._run_worker(instance)
            except OSError as error:
                self._cannot_start(str(error))
            finally:
                if (worker := self._workers.pop(instance, None)) is not None:
                    worker.channel.close()
            if self._stopping.is_set():
                return
            if self._failure:
                self._stop_workers()
                return
            delay = backoff.delay_after(time.monotonic() - started_at)
            log.error("A worker exited. Another starts in %.1f s.", delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_worker(self, instance: str) -> None:
        here, there = socket.socketpair()
        with there:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "products.edge.proxy.worker"),
                stdin=there.fileno(),
                start_new_session=True,  # Ctrl-C in a terminal reaches only this process
            )
        channel = await WorkerChannel.over(here)
        worker = self._workers[instance] = _RunningWorker(channel, process)
        update = self._update(self._portal.table)
        channel.send(WorkerStart(self._settings, instance, update))
        if self._stopping.is_set():
            process.terminate()
        await self._receive(worker)
        await process.wait()

    async def _receive(self, worker: _RunningWorker) -> None:
        while (report := await worker.channel.receive(WorkerReport)) is not None:
            if report.failure:
                self._cannot_start(report.failure)
            worker.status = report.status
            if len(self._statuses) == self._settings.processes:
                self._all_serve.set()

    def _cannot_start(self, reason: str) -> None:
        # After all have served once, the cause may pass, and open tunnels are worth more than
        # a full number of workers.
        if self._all_serve.is_set():
            log.error("A worker cannot start: %s", reason)
        else:
            self._failure = reason
