"""A worker process: it serves the connections. The control process starts one per core."""

import asyncio
import contextlib
import ctypes
import faulthandler
import functools
import gc
import logging
import resource
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Self, TypeVar

import uvloop

from products.edge.access_log import AccessLog
from products.edge.contract import ContractStruct, EdgeStatus, RouteTable
from products.edge.dns import CachingResolver
from products.edge.periodic import cancel, on_stop_signal, start_periodic
from products.edge.proxy.handler import RequestHandler
from products.edge.proxy.listener import Certificates, Listener
from products.edge.proxy.origin import OriginConnector
from products.edge.proxy.server import Server
from products.edge.settings import Limits, Settings, with_tunnel_limits
from products.edge.table import RouteIndex
from products.edge.tls import origin_tls
from products.edge.usage.instances import hold_instance
from products.edge.usage.meter import UsageMeter
from products.edge.usage.store import UsageStore

_SPARE_DESCRIPTORS = 128  # log, usage store, look-ups, TLS handshakes not yet seen
_SWEEP_SECONDS = 0.25
_SYNC_SECONDS = 0.5  # a power cut loses at most a second of readings
_STATUS_SECONDS = 1.0
_TUNNEL_SWEEP_SECONDS = 1.0
_CERTIFICATES_SECONDS = 1.0
_HANG_SECONDS = 60.0  # then a worker whose loop does not turn is replaced
_DRAIN_SECONDS = 0.1  # between two looks whether all have ended
_TICK_PARTS = 20
_TUNNELS_PER_BATCH = 1000
_PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
_MAX_BYTES = 1024**3  # more than any route table takes


class WorkerUpdate(ContractStruct, frozen=True, kw_only=True):
    """What the control process tells a worker."""

    table: RouteTable | None = None  # if there is a new one
    store_has_capacity: bool


class WorkerStart(ContractStruct, frozen=True):
    """All that a worker needs before it serves, so that the first client meets a table."""

    settings: Settings
    instance: str
    update: WorkerUpdate


class WorkerReport(ContractStruct, frozen=True, kw_only=True):
    """What a worker tells the control process: its status from when it serves on."""

    status: EdgeStatus | None = None
    failure: str = ""  # why it cannot start


_Message = TypeVar("_Message", bound=ContractStruct)


@dataclass(frozen=True, slots=True)
class WorkerChannel:
    """Messages between the control process and a worker: a line of JSON each."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    @classmethod
    async def over(cls, connection: socket.socket) -> Self:
        """Send and receive over a socket, which the channel then owns."""
        return cls(*await asyncio.open_connection(sock=connection, limit=_MAX_BYTES))

    def send(self, message: ContractStruct) -> None:
        """Send a message; does nothing when the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(message.to_bytes() + b"\n")

    async def receive(self, kind: type[_Message]) -> _Message | None:
        """Wait for a message; None when the other end is gone."""
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return kind.from_bytes(line)

    def close(self) -> None:
        self._writer.close()


class Worker:
    """The embedded engine of one process: its parts, its periodic jobs, its end."""

    def __init__(self, start: WorkerStart, channel: WorkerChannel) -> None:
        """Build the parts; nothing listens yet. Raises OSError."""
        settings = start.settings
        self.limits = _within_descriptors(settings.limits)
        data = Path(settings.data_dir)
        self._channel = channel
        self._stop = asyncio.Event()
        self._stop_immediately = asyncio.Event()
        path, tls = data / "access.jsonl", origin_tls(settings.ca_file)
        self._resolver = CachingResolver(
            [ip_network(one) for one in settings.allow_private],
            timeout_seconds=self.limits.connect_seconds,
        )
        folder = data / "usage" / start.instance
        hold_instance(folder)
        self.store = UsageStore(folder, max_bytes=settings.store_bytes)
        self.meter = UsageMeter(self.store)
        self._access_log = AccessLog(settings.name, path, tls, self._resolver)
        self.handler = RequestHandler(
            self.limits,
            OriginConnector(self.limits, tls, self._resolver),
            self.meter,
            self._access_log,
        )
        self.server = Server(self.limits, self.handler, self.meter)
        self._listeners = [Listener(settings.bind, settings.port, self.server.accept)]
        self._certificates = None
        if settings.tls_certificates:
            self._certificates = Certificates(Path(settings.tls_certificates))
            accept = functools.partial(self.server.accept, tls=self._certificates.tls)
            self._listeners.append(Listener(settings.bind, settings.tls_port, accept))
        self._part = 0
        self._apply(start.update)

    async def run(self) -> None:
        """Serve until asked to stop, then drain."""
        for listener in self._listeners:
            listener.open()
        on_stop_signal(self._request_stop)
        jobs = start_periodic(
            (_SWEEP_SECONDS, self._sweep),
            (_TUNNEL_SWEEP_SECONDS, self._sweep_tunnels),
            (self.limits.tick_seconds / _TICK_PARTS, self._tick),
            (_SYNC_SECONDS, self._sync),
            (_STATUS_SECONDS, self._report_status),
        )
        if self._certificates is not None:
            refresh = functools.partial(asyncio.to_thread, self._certificates.refresh)
            jobs += start_periodic((_CERTIFICATES_SECONDS, refresh))
        jobs.append(asyncio.ensure_future(self._receive_updates()))
        await self._stop.wait()
        await self._drain()
        await cancel(jobs)
        await self._close()

    def _request_stop(self) -> None:
        if self._stop.is_set():
            self._stop_immediately.set()
        self._stop.set()

    async def _receive_updates(self) -> None:
        while (update := await self._channel.receive(WorkerUpdate)) is not None:
            self._apply(update)
        self._request_stop()  # the control process is gone
        self._stop_immediately.set()

    def _apply(self, update: WorkerUpdate) -> None:
        if update.table is not None:
            self.handler.routes = RouteIndex(update.table)
            self.handler.enforce(time.time())
            self._roll_over_months()
        self._store_has_capacity = update.store_has_capacity

    async def _sweep(self) -> None:
        self.server.sweep(time.monotonic())
        self.handler.enforce(time.time())
        self._access_log.flush()
        if time.time_ns() // 1000 >= self.meter.month_ends_us:
            self._roll_over_months()

    def _roll_over_months(self) -> None:
        routes = self.handler.routes
        if routes is not None:
            self.meter.roll_over_months(routes.by_service, time.time_ns() // 1000)

    async def _sweep_tunnels(self) -> None:
        now = time.monotonic()
        for index, tunnel in enumerate(self.handler.tunnels):
            tunnel.sweep(now)
            if not index % _TUNNELS_PER_BATCH:
                await asyncio.sleep(0)

    async def _tick(self) -> None:
        self.meter.tick(self._part, _TICK_PARTS)
        self._part = (self._part + 1) % _TICK_PARTS
        self.handler.accepts_websockets = (
            self.store.is_writable and self._store_has_capacity
        )

    async def _sync(self) -> None:
        await asyncio.to_thread(self.store.sync)

    async def _report_status(self) -> None:
        faulthandler.dump_traceback_later(_HANG_SECONDS, exit=True)
        routes = self.handler.routes
        status = EdgeStatus(
            revision=routes.revision if routes else 0,
            open_connections=len(self.meter.open),
            rejected_connections=self.server.rejected + self.handler.rejected,
            store_is_writable=self.store.is_writable,
            log_lines_dropped=self._access_log.dropped,
        )
        self._channel.send(WorkerReport(status=status))

    async def _drain(self) -> None:
        """Accept the connections that already wait, and let open ones end until the deadline."""
        for listener in self._listeners:
            listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.drain_seconds):
                while self.server.clients or self.meter.open:
                    if self._stop_immediately.is_set():
                        break
                    await asyncio.sleep(_DRAIN_SECONDS)
        for tunnel in self.handler.tunnels:
            tunnel.close_now()
        self.server.abort_all()

    async def _close(self) -> None:
        await asyncio.sleep(0)  # aborted connections get their connection_lost
        self.meter.close()
        await self._access_log.close(0.0 if self._stop_immediately.is_set() else 2.0)
        self._channel.close()


def _within_descriptors(limits: Limits) -> Limits:
    """Raise the limit of descriptors as far as allowed, and keep the connections below it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = max(16, hard - _SPARE_DESCRIPTORS)
    descriptors = min(limits.connections or allowed, allowed)
    return with_tunnel_limits(
        replace(limits, connections=descriptors), capacity=descriptors // 2
    )


async def _main() -> None:
    channel = await WorkerChannel.over(socket.socket(fileno=sys.stdin.fileno()))
    start = await channel.receive(WorkerStart)
    if start is None:
        return
    try:
        worker = Worker(start, channel)
        # Collecting rarely is quicker; connections leave no reference cycles behind.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        await worker.run()
    except OSError as error:
        channel.send(WorkerReport(failure=str(error)))
        channel.close()
        await asyncio.sleep(0)
        sys.exit(1)


if __name__ == "__main__":
    logging.basicConfig(format="edge %(process)d: %(levelname)s: %(message)s")
    # Without the control process, the usage counted here would not be reported.
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    uvloop.run(_main())
