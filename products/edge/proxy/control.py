"""The process in charge of an edge: asks the portal, reports usage, keeps workers alive."""

import asyncio
import contextlib
import logging
import signal
import socket
from pathlib import Path
from typing import Any

from products.edge.contract import EdgeStatus
from products.edge.errors import StartupError
from products.edge.portal import PortalLink
from products.edge.proxy.workers import WorkerPool
from products.edge.settings import Settings
from products.edge.startup import FolderLock, announce
from products.edge.usage.instances import is_running

log = logging.getLogger(__name__)

_LOCK_SECONDS = 0.1
_FIRST_TABLE_SECONDS = 2.0


class ControlProcess:
    """One edge: its table, its reports, its workers."""

    def __init__(
        self,
        settings: Settings,
        portal: PortalLink,
        held: list[socket.socket],
        lock: FolderLock,
    ) -> None:
        """Begin with the last good table; `held` sockets keep the ports until served.

        While the folder's `lock` is another's, the edge takes over from that one: it
        serves first, then has the other drain, and reports when the lock is its own.
        """
        self._settings = settings
        self._portal = portal
        self._held = held
        self._lock = lock
        self._usage_folder = Path(settings.data_folder) / "usage"
        self._store_has_capacity = True
        self._has_asked = asyncio.Event()
        self._workers = WorkerPool(settings, self._first_messages)

    async def run(self) -> None:
        """Serve until told to stop. Raises StartupError when a worker cannot."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._workers.stop)
        jobs = [
            asyncio.ensure_future(job())
            for job in (self._announce, self._follow_table, self._report_usage)
        ]
        if self._portal.table is None:
            # A first table is worth a moment; without a portal the edge starts anyhow.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_asked.wait(), _FIRST_TABLE_SECONDS)
        await self._workers.run()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        if self._workers.failure:
            raise StartupError(self._workers.failure)
        if self._lock.is_ours:
            await self._portal.last_report(
                self._is_running, is_writable=self._store_is_writable()
            )

    def status(self) -> EdgeStatus:
        """Return the state of the workers."""
        statuses = self._workers.statuses.values()
        return EdgeStatus(
            engine="embedded",
            revision=min((one["revision"] for one in statuses), default=0),
            open_connections=sum(one["open"] for one in statuses),
            rejected_connections=sum(one["rejected"] for one in statuses),
            log_lines_dropped=sum(one["log_lines_dropped"] for one in statuses),
            store_is_writable=self._store_is_writable(),
        )

    def _store_is_writable(self) -> bool:
        statuses = self._workers.statuses.values()
        return all(one["store_is_writable"] for one in statuses)

    def _first_messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"store_has_capacity": self._store_has_capacity}
        ]
        if self._portal.table is not None:
            messages.append({"table": self._portal.table.to_json()})
        return messages

    async def _announce(self) -> None:
        """Say where the edge listens, once all workers do."""
        await self._workers.all_serve.wait()
        announce(self._settings, self._held)

    async def _follow_table(self) -> None:
        while True:
            table = await self._portal.poll(self.status())
            if table is not None:
                self._workers.send({"table": table.to_json()})
                await self._portal.save()
            self._has_asked.set()
            await asyncio.sleep(self._settings.poll_seconds)

    async def _take_over(self) -> None:
        await self._workers.all_serve.wait()
        self._lock.ask_holder_to_stop()
        while not self._lock.take():  # noqa: ASYNC110 - a lock tells nobody
            await asyncio.sleep(_LOCK_SECONDS)

    async def _report_usage(self) -> None:
        if not self._lock.is_ours:
            await self._take_over()
        while True:
            pause = await self._portal.report(
                self._is_running, is_writable=self._store_is_writable()
            )
            self._update_store_capacity()
            await asyncio.sleep(pause)

    def _is_running(self, instance: str) -> bool:
        # Not only this edge's workers: in a take-over the other edge's write here, too.
        return is_running(self._usage_folder / instance)

    def _update_store_capacity(self) -> None:
        """Say to the workers whether there is room, and what they may remove."""
        if self._portal.reporter.has_capacity != self._store_has_capacity:
            self._store_has_capacity = self._portal.reporter.has_capacity
            log.error("The usage store has room: %s.", self._store_has_capacity)
            self._workers.send({"store_has_capacity": self._store_has_capacity})
        for instance, pruning in self._portal.reporter.pruning.items():
            message = {"prune": [pruning.acknowledged, pruning.before]}
            self._workers.send_to(instance, message)
