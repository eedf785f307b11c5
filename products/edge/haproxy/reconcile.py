"""Brings HAProxy to what the route table says: by maps at once, by a reload if it must.

What refuses is told to every worker before anything else, so a slow name server or a
reload never keeps a disabled service open.
"""

import asyncio
import hashlib
import logging
import resource
from collections.abc import Iterable, Mapping
from pathlib import Path

from products.edge.contract import Route, RouteTable
from products.edge.dns import LOOKUP_SECONDS, CachingResolver
from products.edge.files import atomic_write
from products.edge.haproxy import certlist, maps
from products.edge.haproxy.config import (
    CONFIGURATION,
    LUA_SCRIPT,
    Frame,
    lua_script,
    places,
    render,
)
from products.edge.haproxy.frontend import LAST_REFUSALS
from products.edge.haproxy.master_socket import CURRENT, MasterSocket
from products.edge.haproxy.naming import PLAIN, WEBSOCKET
from products.edge.haproxy.origins import OriginResolver
from products.edge.haproxy.process import ConfigRejected, HAProxyProcess
from products.edge.settings import Settings

log = logging.getLogger(__name__)

_LOADED = "loaded"  # the digest of what the current worker has read
_SPARE_DESCRIPTORS = 256
_FIRST_LOOKUP_WAIT_SECONDS = LOOKUP_SECONDS + 0.5  # at the start
_NEW_NAME_WAIT_SECONDS = 0.5  # so that a name that resolves is never refused


class ConfigReconciler:
    """The configuration and the maps of one HAProxy."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        master: MasterSocket,
        supervisor: HAProxyProcess,
        resolver: CachingResolver,
    ) -> None:
        """Know no routes yet. Raises OSError."""
        self._settings = settings
        self._folder = folder
        self._master = master
        self._supervisor = supervisor
        self._origins = OriginResolver(resolver)
        self._frame = _frame(settings)
        self._turn = asyncio.Lock()
        self._speaking = asyncio.Lock()
        self._routes: tuple[Route, ...] | None = None
        self._heeded: tuple[Route, ...] = ()  # newer, for a while, than what is loaded
        self._brought: tuple[object, ...] | None = None
        self._held: dict[int, dict[str, str]] = {}  # a worker's servers: addresses
        self.accepts_websockets = True
        self.reloads = 0
        (folder / LUA_SCRIPT).write_bytes(lua_script())

    async def prepare(self, table: RouteTable | None) -> None:
        """Write all files for a HAProxy that is about to start. Raises ConfigRejected, OSError."""
        self._look_at_certificates()
        if table is not None:
            self._routes = self._heeded = table.routes
            self._held = {}
            self._origins.look_up(table.routes, again=True)
            await self._origins.wait(_FIRST_LOOKUP_WAIT_SECONDS, only_new=True)
            self._origins.publish_results(table.routes)
        wanted = self._maps()
        maps.write(wanted, self._folder)
        wild = wanted[maps.WILD]
        try:
            await self._supervisor.put_in_place(self._render(wild))
        except ConfigRejected as error:
            if not (self._folder / CONFIGURATION).exists():
                raise
            log.error("The last good configuration is used: %s", error)  # noqa: TRY400
        else:
            self._note_loaded(self._digest(wild))

    async def revoke_now(self, table: RouteTable) -> None:
        """Refuse at once what a table refuses. Raises HAProxyAway, OSError."""
        self._heeded = table.routes
        # Told first: where no usage can be written, no map can be either.
        try:
            await self._push_permissions((CURRENT,))
        finally:
            maps.write(self._at_the_gate(), self._folder)

    async def apply(self, table: RouteTable) -> None:
        """Go by a table that was heeded. Raises HAProxyAway, ConfigRejected, OSError."""
        self._origins.look_up(table.routes, again=False)
        is_first = self._brought is None
        seconds = _FIRST_LOOKUP_WAIT_SECONDS if is_first else _NEW_NAME_WAIT_SECONDS
        await self._origins.wait(seconds, only_new=True)
        async with self._turn:
            self._routes = table.routes
            await self._reconcile()
        self._origins.forget_all_but(table.routes)

    async def refresh(self) -> None:
        """Begin to look origins up again, and look at certificates. Raises as `apply` does."""
        self._origins.look_up(self._routes or (), again=True)
        async with self._turn:
            self._look_at_certificates()
            await self._reconcile()

    async def follow_names(self) -> None:
        """Wait for news of a name, and go by it. Raises as `apply` does."""
        await self._origins.news.wait()
        self._origins.news.clear()
        async with self._turn:
            await self._reconcile()

    async def allow_upgrades(self, *, are_allowed: bool) -> None:
        """Take new connections, or none as long as they cannot be counted."""
        if are_allowed != self.accepts_websockets:
            self.accepts_websockets = are_allowed
            try:
                await self._push_permissions((CURRENT,))
            finally:
                maps.write(self._at_the_gate(), self._folder)

    def close(self) -> None:
        """Look no more names up."""
        self._origins.close()

    async def cut(self, services: Iterable[str]) -> int:
        """End every tunnel of some services in every worker. Raises HAProxyAway."""
        backends = frozenset(WEBSOCKET + service for service in services)
        cut = 0
        for worker in (await self._master.processes()).workers:
            sessions = await self._master.sessions(worker, backends)
            await self._master.tell(
                worker, [f"shutdown session {session}" for session in sessions]
            )
            cut += len(sessions)
        return cut

    async def _reconcile(self) -> None:
        self._origins.publish_results(self._routes or ())
        processes = await self._master.processes()
        if self._brought == (processes, *self._all_that_counts()):
            return
        self._brought = None
        counted = self._all_that_counts()
        wanted = self._maps()
        maps.write(wanted, self._folder)
        wild = wanted[maps.WILD]
        configuration = self._render(wild)
        digest = self._digest(wild)
        if digest != self._loaded():
            await self._supervisor.put_in_place(configuration)
            processes = await self._supervisor.reload()
            self._note_loaded(digest)
            self.reloads += 1
        elif (self._folder / CONFIGURATION).read_bytes() != configuration:
            atomic_write(self._folder / CONFIGURATION, configuration)
        await self._push_addresses(processes.current)
        for worker in processes.current:
            for name in maps.LEADING:
                await self._tell(worker, name, wanted[name])
        await self._push_permissions(processes.workers)
        self._brought = (processes, *counted)

    def _all_that_counts(self) -> tuple[object, ...]:
        return (
            self._routes,
            self._heeded,
            self.accepts_websockets,
            self._frame,
            self._origins.addresses,
            self._origins.reasons,
        )

    async def _push_permissions(self, workers: Iterable[int]) -> None:
        """Bring the gate's maps of some workers to what is wanted by now."""
        for worker in workers:
            # In turns, lest an earlier table be told after a later one.
            async with self._speaking:
                for name, wanted in self._at_the_gate().items():
                    await self._tell(worker, name, wanted)

    async def _tell(self, worker: int, name: str, wanted: Mapping[str, str]) -> None:
        held = await self._master.map_of(worker, name)
        await self._master.tell(worker, maps.commands(name, held, wanted))

    async def _push_addresses(self, workers: tuple[int, ...]) -> None:
        wanted = {
            f"{kind}{service}/o{number}": str(address)
            for service, addresses in self._origins.addresses.items()
            for number, address in enumerate(places(addresses), 1)
            for kind in (WEBSOCKET, PLAIN)
        }
        for worker in workers:
            held = self._held.get(worker) or await self._master.servers(worker)
            told = [
                f"set server {name} addr {wanted[name]}"
                for name in held.keys() & wanted.keys()
                if held[name] != wanted[name]
            ]
            await self._master.tell(worker, told)
            held |= {name: wanted[name] for name in held.keys() & wanted.keys()}
            self._held[worker] = held
        self._held = {worker: self._held[worker] for worker in workers}

    def _at_the_gate(self) -> maps.Maps:
        return maps.permission_maps(
            self._heeded, accepts_websockets=self.accepts_websockets
        )

    def _maps(self) -> maps.Maps:
        built = maps.build(self._routes or (), self._origins.reasons)
        return built | self._at_the_gate()

    def _render(self, wild: Mapping[str, str]) -> bytes:
        return render(self._frame, self._routes, self._origins.addresses, wild)

    def _digest(self, wild: Mapping[str, str]) -> str:
        without_addresses = render(self._frame, self._routes, {}, wild)
        return hashlib.sha256(without_addresses).hexdigest()

    def _loaded(self) -> str:
        path = self._folder / _LOADED
        return path.read_text("ascii") if path.exists() else ""

    def _note_loaded(self, digest: str) -> None:
        atomic_write(self._folder / _LOADED, digest.encode())

    def _look_at_certificates(self) -> None:
        if not self._settings.certificate_folder:
            return
        source = Path(self._settings.certificate_folder)
        listed = certlist.write_list(source, self._folder)
        self._frame = _frame(self._settings, listed)


def _frame(settings: Settings, listed: certlist.CertificateList | None = None) -> Frame:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(16, (hard - _SPARE_DESCRIPTORS) // 2 - LAST_REFUSALS)
    return Frame(
        bind=settings.bind,
        port=settings.port,
        tls_port=settings.tls_port if settings.certificate_folder else 0,
        threads=settings.processes,
        most_connections=min(settings.limits.connections or most, most),
        ca_file=str(Path(settings.ca_file).resolve()) if settings.ca_file else "",
        limits=settings.limits,
        certificates=listed.digest if listed else "",
        has_default_certificate=bool(listed and listed.has_default),
    )
