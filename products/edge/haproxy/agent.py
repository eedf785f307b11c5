"""The agent beside HAProxy: follows the route table, revokes, meters, reports to the portal."""

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvloop

from products.backoff import RestartBackoff
from products.edge.access_log import AccessLog
from products.edge.contract import EdgeStatus, Route, RouteTable
from products.edge.dns import CachingResolver
from products.edge.errors import StartupError
from products.edge.haproxy.config import with_all_limits
from products.edge.haproxy.connections import LIMIT_ERRORS, MeteringSession, note
from products.edge.haproxy.lines import Lines
from products.edge.haproxy.maps import ALL_SERVICES
from products.edge.haproxy.process import (
    MASTER_SOCKET,
    ConfigRejected,
    HAProxy,
    HAProxyUnreachable,
    Processes,
    find_program,
    identity_of,
)
from products.edge.haproxy.reconcile import REFRESH_SECONDS, ConfigReconciler
from products.edge.periodic import cancel, on_stop_signal, start_periodic
from products.edge.portal import PortalLink
from products.edge.revocation import RevocationPolicy
from products.edge.settings import Settings
from products.edge.startup import announce
from products.edge.tls import origin_tls

log = logging.getLogger(__name__)

_FOLDER = "haproxy"  # of all that HAProxy reads, and of its sockets
_SWEEP_SECONDS = 0.25
_SYNC_SECONDS = 0.5  # a power cut loses at most a second of readings
_WATCH_SECONDS = 0.25
_FIND_SECONDS = 0.25
_EXIT_CHECK_SECONDS = 0.1
_LAST_LINES_SECONDS = 1.0
_LINES_IN_FLIGHT_SECONDS = 0.25
_LAST_LOG_SECONDS = 2.0
_STOP_SECONDS = 5.0
_RETRY_SECONDS = 2.0  # before a usage store is opened again
_FIRST_RESTART_DELAY_SECONDS = 0.5


def run_haproxy_engine(
    settings: Settings, portal: PortalLink, held: Sequence[socket.socket]
) -> None:
    """Run until stopped; `held` sockets keep the ports until HAProxy has them.

    Raises StartupError.
    """
    program = find_program(settings.haproxy)
    try:
        uvloop.run(Agent(settings, portal, program).run(held))
    except (ConfigRejected, OSError) as error:
        raise StartupError(str(error)) from error


def is_haproxy_running(settings: Settings) -> bool:
    """Return whether this edge's HAProxy runs, and so has the ports; it outlives its agent."""
    haproxy = HAProxy(Path(settings.data_dir) / _FOLDER, settings.haproxy)
    return asyncio.run(haproxy.find()) is not None


class Agent:
    """One edge with the HAProxy engine."""

    def __init__(self, settings: Settings, portal: PortalLink, program: str) -> None:
        """Prepare; `program` is HAProxy's path. Raises OSError."""
        data = Path(settings.data_dir)
        folder = data / _FOLDER
        folder.mkdir(exist_ok=True, mode=0o700)
        self._settings = settings = with_all_limits(settings)
        self._portal = portal
        self._manages_haproxy = settings.haproxy_managed_by == "agent"
        self._folder = folder
        self._usage_folder = data / "usage"
        self._haproxy = HAProxy(folder, program)
        self._resolver = CachingResolver(
            [ip_network(network) for network in settings.allow_private]
        )
        self._reconciler = ConfigReconciler(
            settings, folder, self._haproxy, self._resolver
        )
        path, tls = data / "access.jsonl", origin_tls(settings.ca_file)
        self._access_log = AccessLog(settings.name, path, tls, self._resolver)
        self._lines = Lines(folder, self._take_line)
        self._routes: dict[str, Route] = {}
        self._revocation = RevocationPolicy(settings.limits.removed_grace_seconds)
        self._session: MeteringSession | None = None  # none while one is opened
        self._is_refused = False  # by the disk, when a session was to be opened
        self._rejected = 0  # upgrades above a limit
        self._backoff = RestartBackoff(_FIRST_RESTART_DELAY_SECONDS)
        self._started_at = time.monotonic()  # HAProxy, or this agent beside it
        self._revision = 0
        # The reporter removes stores that are not in use, so it waits for the session's.
        self._may_report = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_immediately = asyncio.Event()

    async def run(self, held: Sequence[socket.socket]) -> None:
        """Serve until a signal to stop. Raises ConfigRejected if HAProxy cannot start."""
        on_stop_signal(self._on_stop_signal)
        try:
            await self._attach_or_start()
        except BaseException:
            await self._haproxy.stop_own()
            raise
        announce(self._settings, held)
        metering = start_periodic(
            (_SWEEP_SECONDS, self._sweep),
            (_SYNC_SECONDS, self._sync),
            (_WATCH_SECONDS, self._watch),
            (self._settings.limits.tick_seconds, self._tick),
        )
        self._reconciler.has_changed.set()
        configuring = start_periodic(
            (self._settings.poll_seconds, self._follow_table),
            (_FIND_SECONDS, self._follow_changes),
            (0.0, self._report_usage),
        )
        await self._stop.wait()
        await cancel(configuring)  # so nothing is reloaded from here on
        if self._manages_haproxy:
            await self._drain()
        await cancel(metering)
        await self._close()

    def status(self) -> EdgeStatus:
        """Return the state of the engine."""
        session = self._session
        dropped = self._access_log.dropped + self._lines.unreadable
        return EdgeStatus(
            engine="haproxy",
            revision=self._revision,
            open_connections=len(session.meter.open) if session else 0,
            rejected_connections=self._rejected,
            log_lines_dropped=dropped + (len(session.unannounced) if session else 0),
            store_is_writable=self._store_is_writable,
        )

    @property
    def _store_is_writable(self) -> bool:
        """Whether the disk accepts readings, as far as it is known."""
        if self._session is None:
            return not self._is_refused
        return self._session.store.is_writable

    def _on_stop_signal(self) -> None:
        if self._stop.is_set():
            self._stop_immediately.set()
        self._stop.set()

    async def _attach_or_start(self) -> None:
        """Use the HAProxy that runs, or start one and open its metering session.

        The session of a running HAProxy may take long to open. `_watch` opens it, while
        permissions already follow the table.
        """
        table = self._portal.table
        if table is not None:
            self._set_routes(table)
        if await self._haproxy.find() is None:
            await self._start(table)
            await self._watch()
        elif table is not None:
            with contextlib.suppress(HAProxyUnreachable):
                await self._reconciler.revoke_now(table)

    async def _start(self, table: RouteTable | None) -> Processes:
        await self._reconciler.prepare(table)
        if self._manages_haproxy:
            return await self._haproxy.start()
        log.warning("Waiting until HAProxy is started in %s.", self._folder)
        while (processes := await self._haproxy.find()) is None:
            if self._stop.is_set():
                raise ConfigRejected("HAProxy was not started.")
            await asyncio.sleep(_FIND_SECONDS)
        return processes

    def _set_routes(self, table: RouteTable) -> None:
        self._routes.clear()
        self._routes.update({route.service: route for route in table.routes})

    async def _follow_table(self) -> None:
        """Poll the portal, and revoke immediately what a new table no longer permits."""
        table = await self._portal.poll(self.status())
        if table is None:
            return
        self._set_routes(table)
        try:
            await self._reconciler.revoke_now(table)
        except OSError as error:
            self._portal.reject(table, f"HAProxy did not get its permissions: {error}")
            return
        self._reconciler.has_changed.set()
        await self._portal.save()

    async def _follow_changes(self) -> None:
        """Bring HAProxy to a new table or to new addresses, without delaying the next poll."""
        has_changed = self._reconciler.has_changed
        # Not by wait_for, which can lose the cancellation of a job (until Python 3.12).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REFRESH_SECONDS):
                await has_changed.wait()
        has_changed.clear()
        table = self._portal.table
        if table is None:
            return
        try:
            await self._reconciler.apply(table)
        except (ConfigRejected, OSError) as error:
            self._portal.reject(table, f"HAProxy does not follow it: {error}")
        else:
            self._revision = table.revision

    async def _report_usage(self) -> None:
        await self._may_report.wait()
        pause = await self._portal.report(
            lambda name: self._session is None or self._session.instance == name,
            is_writable=self._store_is_writable,
        )
        await asyncio.sleep(pause)

    def _take_line(self, line: dict[str, Any]) -> None:
        if line["ev"] in LIMIT_ERRORS:
            self._rejected += 1
        if self._session is not None:  # otherwise what it says is in the tables
            self._session.take(line)
        route = self._routes.get(line["svc"])
        if route is not None and line["ev"] != "end":
            note(self._access_log, route, line)

    async def _sweep(self) -> None:
        """Do what cannot wait for a tick: log lines, new months, revocations (R12), limits."""
        self._access_log.flush()
        session = self._session
        if session is None:
            return
        session.meter.roll_over_months(self._routes, time.time_ns() // 1000)
        by_service = session.open_by_service
        revoked = self._revocation.must_close(by_service, self._routes, time.time())
        if revoked:
            await self._tick()  # a reading is written before anything is closed
            await self._reconciler.close_tunnels(revoked)
        can_record = session.store.is_writable and self._portal.reporter.has_capacity
        await self._reconciler.limit(
            self._full_services(by_service) if can_record else ALL_SERVICES
        )

    def _full_services(self, by_service: Counter[str]) -> frozenset[str]:
        """Return the services of the accounts that have as many tunnels as they may have."""
        by_account: Counter[str] = Counter()
        for service, count in by_service.items():
            if (route := self._routes.get(service)) is not None:
                by_account[route.account] += count
        most = self._settings.limits.tunnels_per_account
        return frozenset(
            route.service
            for route in self._routes.values()
            if by_account[route.account] >= most
        )

    async def _sync(self) -> None:
        if self._session is not None:
            await asyncio.to_thread(self._session.store.sync)

    async def _tick(self) -> None:
        session = self._session
        if session is None:
            return
        processes = await self._haproxy.processes()
        await session.poll(self._haproxy, processes)
        session.meter.tick()

    async def _watch(self) -> None:
        """Notice that HAProxy is another process, or has exited."""
        processes = await self._haproxy.find()
        if self._stop.is_set() and (processes is None or self._session is not None):
            return
        if processes is None:
            if not self._manages_haproxy or not await self._haproxy.has_exited(
                _EXIT_CHECK_SECONDS
            ):
                return
            processes = await self._restart()
        identity = identity_of(processes.master)
        if self._session is None or self._session.identity != identity:
            await self._open_session(identity)
        if self._session is not None:
            await self._lines.open()

    async def _restart(self) -> Processes:
        delay = self._backoff.delay_after(time.monotonic() - self._started_at)
        log.error("HAProxy has exited; it is started again in %.1f s.", delay)
        self._close_session()
        await asyncio.sleep(delay)
        # It starts like this, and changes once its connections are counted.
        with contextlib.suppress(HAProxyUnreachable):
            await self._reconciler.limit(ALL_SERVICES)
        self._started_at = time.monotonic()
        return await self._start(self._portal.table)

    async def _open_session(self, identity: str) -> None:
        """Open a HAProxy's metering session. If that fails, no connection may upgrade."""
        if self._session is not None:
            log.error("HAProxy is another process now and gets a new metering session.")
        self._close_session()
        try:
            # In a thread, because an earlier agent may have written very much.
            self._session = await asyncio.to_thread(
                MeteringSession,
                identity,
                self._folder,
                self._usage_folder,
                max_bytes=self._settings.store_bytes,
                route_of=self._routes.get,
            )
        except OSError as error:
            log.error("The usage store cannot be opened: %s", error)  # noqa: TRY400
            self._is_refused = True
            self._may_report.set()  # acknowledged usage can be removed from a full disk
            await self._reconciler.limit(ALL_SERVICES)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            self._is_refused = False
            self._may_report.set()
            await self._tick()

    def _close_session(self) -> None:
        """Close the session. If HAProxy has exited, the reporter finishes its instance."""
        session, self._session = self._session, None
        if session is not None:
            session.meter.close()

    async def _goes_on(self) -> bool:
        """Wait a moment; return whether HAProxy runs and no second signal has come."""
        has_exited = await self._haproxy.has_exited(_EXIT_CHECK_SECONDS)
        return not (has_exited or self._stop_immediately.is_set())

    async def _drain(self) -> None:
        """Let HAProxy accept no connection, and let open ones end in time."""
        # Without a session, what HAProxy has counted would be lost.
        while self._session is None and not self._is_refused and await self._goes_on():
            pass
        # During a reload, HAProxy does not answer for a moment.
        socket_file = self._folder / MASTER_SOCKET
        while await self._haproxy.find() is None and socket_file.exists():
            if not await self._goes_on():
                break
        # HAProxy still runs: count what ended while no agent received lines.
        with contextlib.suppress(OSError):
            for _ in range(2):  # a connection must be missing twice
                await self._tick()
        self._haproxy.stop(drain=True)
        until = time.monotonic() + self._settings.limits.drain_seconds
        while time.monotonic() < until and await self._goes_on():
            pass
        # A session that is closed has an end line; a worker that is stopped writes none.
        with contextlib.suppress(OSError):
            if self._session is not None:
                open_services = self._session.open_by_service
                await self._reconciler.close_tunnels(open_services)
            if await self._haproxy.has_exited(_LAST_LINES_SECONDS):
                return
        self._haproxy.stop(drain=False)
        await self._haproxy.has_exited(_STOP_SECONDS)

    async def _close(self) -> None:
        await asyncio.sleep(_LINES_IN_FLIGHT_SECONDS)
        self._lines.close()
        session = self._session
        self._close_session()
        await self._access_log.close(
            0.0 if self._stop_immediately.is_set() else _LAST_LOG_SECONDS
        )
        if session:  # otherwise a store may still be opened, and must not be removed
            await self._portal.last_report(
                lambda name: name == session.instance and not self._manages_haproxy,
                is_writable=True,
            )
