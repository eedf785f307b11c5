"""The process in charge of an edge: asks the portal, reports usage, keeps workers alive."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from products.edge.contract import ContractError, EdgeStatus, RouteTable
from products.edge.errors import StartupError
from products.edge.portal_client import (
    PortalClient,
    PortalErrorResponse,
    PortalUnreachable,
)
from products.edge.proxy.workers import WorkerPool
from products.edge.reporting import ReportLoop
from products.edge.settings import VERSION, Settings
from products.edge.startup import FolderLock
from products.edge.table import TableFile
from products.edge.usage.instances import is_running
from products.edge.usage.reporter import Reporter

log = logging.getLogger(__name__)

_LOCK_SECONDS = 0.1
_FIRST_TABLE_SECONDS = 2.0


class ControlProcess:
    """One edge: its table, its reports, its workers."""

    def __init__(
        self,
        settings: Settings,
        portal: PortalClient,
        held: list[socket.socket],
        lock: FolderLock,
    ) -> None:
        """Begin with the last good table; `held` sockets keep the ports until served.

        While the folder's `lock` is another's, the edge takes over from that one: it
        serves first, then has the other drain, and reports when the lock is its own.
        """
        data = Path(settings.data_folder)
        self._settings = settings
        self._portal = portal
        self._held = held
        self._lock = lock
        self._table_file = TableFile(data / "routes.json")
        self._table, self._etag = self._last_good_table()
        self._usage_folder = data / "usage"
        self._reporter = Reporter(
            settings.name,
            self._usage_folder,
            portal,
            keep_seconds=settings.keep_seconds,
            max_bytes=settings.store_bytes,
        )
        self._store_has_capacity = True
        self._has_asked = asyncio.Event()
        self._workers = WorkerPool(settings, self._first_messages)
        self._reporting = ReportLoop(
            self._reporter,
            settings.report_seconds,
            when_run=self._update_store_capacity,
        )

    async def run(self) -> None:
        """Serve until told to stop. Raises StartupError when a worker cannot."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._workers.stop)
        jobs = [
            asyncio.ensure_future(job())
            for job in (self._announce, self._follow_table, self._report_usage)
        ]
        if self._table is None:
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
            await self._reporting.last(
                self._is_live, is_writable=self._store_is_writable()
            )

    def status(self) -> EdgeStatus:
        """Return the edge's state, for the portal's page about edges."""
        statuses = self._workers.statuses.values()
        return EdgeStatus(
            engine="embedded",
            version=VERSION,
            at=time.time(),
            revision=min((one["revision"] for one in statuses), default=0),
            open_connections=sum(one["open"] for one in statuses),
            rejected_connections=sum(one["rejected"] for one in statuses),
            log_lines_dropped=sum(one["log_lines_dropped"] for one in statuses),
            store_is_writable=self._store_is_writable(),
            **self._reporter.status(),
        )

    def _store_is_writable(self) -> bool:
        statuses = self._workers.statuses.values()
        return all(one["store_is_writable"] for one in statuses)

    def _last_good_table(self) -> tuple[RouteTable | None, str]:
        try:
            return self._table_file.load() or (None, "")
        except (ContractError, OSError) as error:
            log.warning("The table on disk is not used: %s", error)
            return None, ""

    def _first_messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"store_has_capacity": self._store_has_capacity}
        ]
        if self._table is not None:
            messages.append({"table": self._table.to_json()})
        return messages

    async def _announce(self) -> None:
        """Say where the edge listens, once all workers do."""
        await self._workers.all_serve.wait()
        host = self._settings.bind
        shown = f"[{host}]" if ":" in host else host
        line = f"edge {self._settings.name}: http://{shown}:{self._settings.port}"
        if self._settings.tls_port:
            line += f" https://{shown}:{self._settings.tls_port}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        for held in self._held:
            held.close()

    async def _follow_table(self) -> None:
        while True:
            try:
                await self._poll()
            except (PortalUnreachable, PortalErrorResponse, ContractError) as error:
                self._table_file.stands(str(error))
            except OSError as error:
                log.warning("The table could not be kept on disk: %s", error)
            self._has_asked.set()
            await asyncio.sleep(self._settings.poll_seconds)

    async def _poll(self) -> None:
        answer = await asyncio.to_thread(self._portal.routes, self._etag, self.status())
        if answer is None:
            self._table_file.confirm()
            return
        table, etag = answer
        self._table, self._etag = table, etag
        self._workers.send({"table": table.to_json()})
        await asyncio.to_thread(self._table_file.save, table, etag)

    async def _take_over(self) -> None:
        await self._workers.all_serve.wait()
        self._lock.ask_holder_to_stop()
        while not self._lock.take():  # noqa: ASYNC110 - a lock tells nobody
            await asyncio.sleep(_LOCK_SECONDS)

    async def _report_usage(self) -> None:
        if not self._lock.is_ours:
            await self._take_over()
        await self._reporting.forever(self._is_live, self._store_is_writable)

    def _is_live(self, instance: str) -> bool:
        # Not only this edge's workers: in a take-over the other edge's write here, too.
        return is_running(self._usage_folder / instance)

    def _update_store_capacity(self) -> None:
        """Say to the workers whether there is room, and what they may remove."""
        if self._reporter.has_capacity != self._store_has_capacity:
            self._store_has_capacity = self._reporter.has_capacity
            log.error("The usage store has room: %s.", self._store_has_capacity)
            self._workers.send({"store_has_capacity": self._store_has_capacity})
        for instance, pruning in self._reporter.pruning.items():
            message = {"prune": [pruning.acknowledged, pruning.before]}
            self._workers.send_to(instance, message)
