"""The agent beside HAProxy: follows the table, gates, meters, and tells the portal."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from products.edge.access_log import AccessLog
from products.edge.contract import EdgeStatus, Route, RouteTable
from products.edge.dns import CachingResolver
from products.edge.haproxy.connections import MeteringSession, SessionKeeper, note
from products.edge.haproxy.lines import Lines
from products.edge.haproxy.master_socket import (
    HAProxyUnreachable,
    MasterSocket,
    Processes,
)
from products.edge.haproxy.process import ConfigRejected, HAProxyProcess, identity_of
from products.edge.haproxy.reconcile import ConfigReconciler
from products.edge.haproxy.recurring import cancel, recurring
from products.edge.origin_names import origin_tls
from products.edge.portal import PortalLink
from products.edge.revocation import RevocationPolicy
from products.edge.settings import Settings

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 0.25
_SYNC_SECONDS = 0.5  # a power cut costs at most a second of records
_REFRESH_SECONDS = 5.0  # between two looks at all origins and certificates
_WATCH_SECONDS = 0.25
_LAST_LINES_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.1
_PAUSE_SECONDS = 2.0  # before a HAProxy is started, or its session opened, again


class Agent:
    """One fleet edge."""

    def __init__(
        self, settings: Settings, portal: PortalLink, program: str, *, runs_it: bool
    ) -> None:
        """Put the parts together; `runs_it` says that HAProxy is this agent's to start."""
        data = Path(settings.data_folder)
        self._settings = settings
        self._portal = portal
        self._runs_it = runs_it
        folder = data / "haproxy"
        folder.mkdir(exist_ok=True, mode=0o700)
        self._folder = folder
        self._master = MasterSocket(folder)
        self._supervisor = HAProxyProcess(folder, program, self._master)
        self._resolver = CachingResolver(
            [ip_network(one) for one in settings.allow_private]
        )
        self._gate = ConfigReconciler(
            settings, folder, self._master, self._supervisor, self._resolver
        )
        self._access_log = AccessLog(
            settings.name,
            data / "access.jsonl",
            origin_tls(settings.ca_file),
            self._resolver,
        )
        self._lines = Lines(folder, self._take_line)
        self._routes: dict[str, Route] = {}
        self._revocation = RevocationPolicy(settings.limits.removed_grace_seconds)
        self._keeper = SessionKeeper(
            folder,
            data / "usage",
            max_bytes=settings.store_bytes,
            route_of=self._routes.get,
        )
        self._revision = 0
        self._is_new = asyncio.Event()  # a table that HAProxy is yet to follow
        # Not before: of a store that is yet to be opened, reporting must remove nothing.
        self._may_report = asyncio.Event()
        self._stop = asyncio.Event()
        self._now = asyncio.Event()

    async def run(self, announce: Callable[[], None]) -> None:
        """Serve until told to stop. Raises ConfigRejected when HAProxy cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        await self._lines.open()
        try:
            await self._begin()
        except BaseException:
            await self._supervisor.abandon()
            raise
        announce()
        jobs = recurring(
            (_SWEEP_SECONDS, self._sweep),
            (_SYNC_SECONDS, self._sync),
            (_WATCH_SECONDS, self._watch),
            (self._settings.limits.tick_seconds, self._tick),
        )
        if self._portal.table is not None:
            self._is_new.set()
        changing: list[asyncio.Future[None]] = [
            asyncio.ensure_future(job())
            for job in (self._follow_table, self._load_tables, self._report_usage)
        ]
        changing += recurring(
            (_REFRESH_SECONDS, self._gate.refresh),
            (_SWEEP_SECONDS, self._gate.follow_names),
        )
        await self._stop.wait()
        await cancel(changing)  # no reload from here on
        if self._runs_it:
            await self._drain()
        await cancel(jobs)
        await self._end()

    @property
    def _session(self) -> MeteringSession | None:
        return self._keeper.session

    def status(self) -> EdgeStatus:
        """Return the state of the engine."""
        return EdgeStatus(
            engine="haproxy",
            revision=self._revision,
            open_connections=self._keeper.open_count,
            log_lines_dropped=(
                self._access_log.dropped
                + self._lines.unreadable
                + self._keeper.lost_lines
            ),
            store_is_writable=self._keeper.is_writable,
        )

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._now.set()
        self._stop.set()

    async def _begin(self) -> None:
        """Take up the HAProxy that runs, or start one and open its session.

        The session of one that runs may take long: `_watch` opens it, while the gate is
        followed already.
        """
        table = self._portal.table
        if table is not None:
            self._learn(table)
        if await self._supervisor.find() is None:
            processes = await self._first(table)
            await self._keeper.open(identity_of(processes.master))
            self._may_report.set()
        elif table is not None:
            with contextlib.suppress(HAProxyUnreachable):
                await self._gate.revoke_now(table)

    async def _first(self, table: RouteTable | None) -> Processes:
        await self._gate.prepare(table)
        if self._runs_it:
            return await self._supervisor.start()
        return await self._wait_for_it()

    async def _wait_for_it(self) -> Processes:
        log.warning("HAProxy is awaited in %s.", self._folder)
        while (processes := await self._supervisor.find()) is None:
            if self._stop.is_set():
                raise ConfigRejected("HAProxy has not come.")
            await asyncio.sleep(_SWEEP_SECONDS)
        return processes

    def _learn(self, table: RouteTable) -> None:
        self._routes.clear()
        self._routes.update({route.service: route for route in table.routes})

    async def _follow_table(self) -> None:
        """Poll the portal, and revoke at once what a new table forbids."""
        while True:
            table = await self._portal.poll(self.status())
            if table is not None:
                await self._follow(table)
            await asyncio.sleep(self._settings.poll_seconds)

    async def _follow(self, table: RouteTable) -> None:
        self._learn(table)
        try:
            await self._gate.revoke_now(table)
        except (HAProxyUnreachable, OSError) as error:
            self._portal.reject(table, f"HAProxy was not told what it forbids: {error}")
            return
        self._is_new.set()
        await self._portal.save()

    async def _load_tables(self) -> None:
        """Bring HAProxy to each new table; no poll waits for it."""
        while True:
            await self._is_new.wait()
            self._is_new.clear()
            table = self._portal.table
            if table is None:
                continue
            try:
                await self._gate.apply(table)
            except (HAProxyUnreachable, ConfigRejected, OSError) as error:
                self._portal.reject(table, f"HAProxy does not follow it: {error}")
            else:
                self._revision = table.revision

    async def _report_usage(self) -> None:
        await self._may_report.wait()
        while True:
            pause = await self._portal.report(
                self._keeper.may_be_written, is_writable=self._keeper.is_writable
            )
            await asyncio.sleep(pause)

    def _take_line(self, line: dict[str, Any]) -> None:
        self._keeper.take(line)
        route = self._routes.get(line["svc"])
        if route is not None and line["ev"] != "end":
            note(self._access_log, route, line)

    async def _sweep(self) -> None:
        self._access_log.flush()
        if self._session is not None:
            now_us = time.time_ns() // 1000
            self._session.meter.roll_over_months(self._routes, now_us)
        await self._enforce()

    async def _sync(self) -> None:
        try:
            await self._keeper.sync(self._portal.reporter.pruning)
        except OSError as error:
            log.error("The usage store cannot be kept: %s", error)  # noqa: TRY400 - the disk's

    async def _tick(self) -> None:
        session = self._session
        if session is None:
            return
        processes = await self._master.processes()
        await session.poll(self._master, processes)
        session.meter.tick()
        await self._gate.allow_upgrades(
            are_allowed=session.store.is_writable and self._portal.reporter.has_capacity
        )

    async def _enforce(self) -> None:
        """Cut the tunnels of services that may no longer have them (R12)."""
        session = self._session
        if session is None:
            return
        services = session.connections.open_services
        revoked = self._revocation.must_close(services, self._routes, time.time())
        if revoked:
            await session.poll(self._master, await self._master.processes())
            session.meter.tick()  # what is known is written before anything is cut
            await self._gate.cut(revoked)

    async def _watch(self) -> None:
        """Notice that HAProxy is another one now, or none."""
        processes = await self._supervisor.find()
        if self._stop.is_set() and (processes is None or self._session is not None):
            return
        if processes is None and (
            not self._runs_it or not await self._supervisor.has_ended(0.1)
        ):
            return
        if processes is None:
            log.error("HAProxy has ended and is started again.")
            self._keeper.close(is_over=True)
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(
                HAProxyUnreachable
            ):  # as it begins, until it is counted
                await self._gate.allow_upgrades(are_allowed=False)
            await self._gate.prepare(self._portal.table)
            processes = await self._supervisor.start()
        identity = identity_of(processes.master)
        if not self._keeper.is_open_for(identity):
            await self._open_session(identity)

    async def _open_session(self, identity: str) -> None:
        """Count for a HAProxy; as long as that fails, nothing may upgrade."""
        if self._session is not None:
            log.error("HAProxy is another process now, and gets a session of its own.")
        try:
            await self._keeper.open(identity)
        except OSError as error:
            log.error("The usage store cannot be opened: %s", error)  # noqa: TRY400
            self._may_report.set()  # for what has arrived makes room
            await self._gate.allow_upgrades(are_allowed=False)
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            self._may_report.set()
            await self._tick()

    async def _session_opened(self) -> None:
        """Wait until a session is open: without one all that HAProxy knows ends with it."""
        while self._session is None and not self._now.is_set():
            if self._keeper.is_refused:
                return
            if await self._supervisor.has_ended(_LOOK_AGAIN_SECONDS):
                return

    async def _drain(self) -> None:
        """Let HAProxy take nobody new, and what is open come to its end."""
        await self._session_opened()
        # A reload may be under way, and then nobody answers for a moment.
        while (processes := await self._supervisor.find()) is None:
            if await self._supervisor.has_ended(_LOOK_AGAIN_SECONDS):
                return
        await self._supervisor.end(processes.master, drain=True)
        until = time.monotonic() + self._settings.limits.drain_seconds
        while time.monotonic() < until and not self._now.is_set():
            if await self._supervisor.has_ended(0.1):
                return
        # Session by session, for each then has its last line; a worker's end has none.
        with contextlib.suppress(HAProxyUnreachable, OSError):
            if self._session is not None:
                await self._gate.cut(self._session.connections.open_services)
            if await self._supervisor.has_ended(_LAST_LINES_SECONDS):
                return
        await self._supervisor.end(processes.master, drain=False)
        await self._supervisor.has_ended(5.0)

    async def _end(self) -> None:
        await asyncio.sleep(_SWEEP_SECONDS)  # the last lines are on their way
        self._lines.close()
        instance = self._keeper.close(is_over=self._runs_it)
        self._gate.close()
        await self._access_log.close(0.0 if self._now.is_set() else 2.0)
        self._resolver.close()
        if instance:  # else a store may be about to be opened
            await self._portal.last_report(
                lambda one: one == instance and not self._runs_it, is_writable=True
            )
