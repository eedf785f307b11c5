"""The agent's word with the portal: the table in, usage out, as the embedded edge does it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from products.edge.contract import ContractError, EdgeStatus, RouteTable
from products.edge.portal_client import (
    PortalClient,
    PortalErrorResponse,
    PortalUnreachable,
)
from products.edge.reporting import ReportLoop
from products.edge.settings import VERSION, Settings
from products.edge.table import TableFile
from products.edge.usage.reporter import Pruning, Reporter

log = logging.getLogger(__name__)


class PortalLink:
    """One edge's portal."""

    def __init__(self, settings: Settings, portal: PortalClient) -> None:
        """Begin with the last good table."""
        data = Path(settings.data_folder)
        self._settings = settings
        self._portal = portal
        self._file = TableFile(data / "routes.json")
        self._etag = ""
        self._is_new = asyncio.Event()  # a table that is to be loaded
        self.table: RouteTable | None = None
        try:
            self.table, self._etag = self._file.load() or (None, "")
        except (ContractError, OSError) as error:
            log.warning("The table on disk is not used: %s", error)
        if self.table is not None:
            self._is_new.set()  # to this agent
        self._reporter = Reporter(
            settings.name,
            data / "usage",
            portal,
            keep_seconds=settings.keep_seconds,
            max_bytes=settings.store_bytes,
        )
        self._reporting = ReportLoop(self._reporter, settings.report_seconds)

    @property
    def has_capacity(self) -> bool:
        """Whether the usage store is below its size."""
        return self._reporter.has_capacity

    @property
    def pruning(self) -> Mapping[str, Pruning]:
        """What may be removed of the readings of each instance."""
        return self._reporter.pruning

    def start(
        self,
        status: Callable[[], dict[str, Any]],
        revoke_now: Callable[[RouteTable], Awaitable[None]],
        apply: Callable[[RouteTable], Awaitable[None]],
        is_live: Callable[[str], bool],
        may_report: asyncio.Event,
    ) -> list[asyncio.Future[None]]:
        """Follow the table and report usage until cancelled; the latter once it may be.

        `revoke_now` does at once what a table forbids, and no poll waits for `apply`. Both raise
        ContractError when a table cannot be gone by; it is then asked for again.
        """
        return [
            asyncio.ensure_future(self._follow(status, revoke_now)),
            asyncio.ensure_future(self._load(apply)),
            asyncio.ensure_future(self._report(status, is_live, may_report)),
        ]

    async def last_report(self, is_live: Callable[[str], bool]) -> None:
        """Report once more, within a few seconds."""
        await self._reporting.last(is_live, is_writable=True)

    async def _report(
        self,
        status: Callable[[], dict[str, Any]],
        is_live: Callable[[str], bool],
        may_report: asyncio.Event,
    ) -> None:
        await may_report.wait()
        await self._reporting.forever(
            is_live, lambda: bool(status()["store_is_writable"])
        )

    async def _follow(
        self,
        status: Callable[[], dict[str, Any]],
        revoke_now: Callable[[RouteTable], Awaitable[None]],
    ) -> None:
        while True:
            try:
                await self._poll(self._status(status()), revoke_now)
            except (PortalUnreachable, PortalErrorResponse, ContractError) as error:
                self._file.stands(str(error))
            except OSError as error:
                log.warning("The table could not be kept on disk: %s", error)
            await asyncio.sleep(self._settings.poll_seconds)

    async def _poll(
        self,
        status: EdgeStatus,
        revoke_now: Callable[[RouteTable], Awaitable[None]],
    ) -> None:
        answer = await asyncio.to_thread(self._portal.routes, self._etag, status)
        if answer is None:
            self._file.confirm()
            return
        table, etag = answer
        self.table = table
        await revoke_now(table)
        self._etag = etag
        self._is_new.set()
        await asyncio.to_thread(self._file.save, table, etag)

    async def _load(self, apply: Callable[[RouteTable], Awaitable[None]]) -> None:
        while True:
            await self._is_new.wait()
            self._is_new.clear()
            table, etag = self.table, self._etag
            assert table is not None  # noqa: S101 - it is what is new
            try:
                await apply(table)
            except ContractError as error:
                self._file.stands(str(error))
                if self._etag == etag:
                    self._etag = ""

    def _status(self, engine: dict[str, Any]) -> EdgeStatus:
        reporter = self._reporter.status()
        return EdgeStatus(version=VERSION, at=time.time(), **reporter, **engine)
