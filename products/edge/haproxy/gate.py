"""Brings HAProxy to what the route table says: by maps at once, by a reload if it must.

What refuses is told to every worker before anything else, so a slow name server or a
reload never keeps a disabled service open.
"""

import asyncio
import hashlib
import logging
import resource
import shutil
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from products.edge.addresses import Address
from products.edge.contract import Route, RouteTable
from products.edge.haproxy import certlist, maps
from products.edge.haproxy.config import CONFIGURATION, Frame, places, render
from products.edge.haproxy.control import MasterSocket, Processes
from products.edge.haproxy.naming import PLAIN, WEBSOCKET
from products.edge.haproxy.origins import Origins
from products.edge.haproxy.supervisor import Supervisor
from products.edge.settings import Settings
from products.edge.spool import write_lasting

log = logging.getLogger(__name__)

_LUA = "edge.lua"
_LOADED = "loaded"  # the digest of what the current worker has read
_SPARE_DESCRIPTORS = 256
_AT_A_GATE = (maps.WEBSOCKETS, maps.EDGE)


class Gate:
    """The configuration and the maps of one HAProxy."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        master: MasterSocket,
        supervisor: Supervisor,
    ) -> None:
        """Know no routes yet. Raises OSError."""
        self._settings = settings
        self._folder = folder
        self._master = master
        self._supervisor = supervisor
        self._origins = Origins([ip_network(one) for one in settings.allow_private])
        self._frame = _frame(settings)
        self._turn = asyncio.Lock()
        self._routes: tuple[Route, ...] | None = None
        self._told: tuple[Processes, maps.Maps] | None = None
        self._places: dict[tuple[int, str], tuple[Address, ...]] = {}
        self.takes_upgrades = True
        self.reloads = 0
        shutil.copyfile(Path(__file__).with_name(_LUA), folder / _LUA)

    async def prepare(self, table: RouteTable | None) -> None:
        """Write all files for a HAProxy that is about to start. Raises Unloadable, OSError."""
        self._look_at_certificates()
        if table is not None:
            self._routes = table.routes
            await self._origins.look_up(table.routes, again=True)
            self._origins.conclude(table.routes)
        maps.write(self._maps(), self._folder)
        await self._supervisor.put_in_place(self._render())
        self._note_loaded()

    async def apply(self, table: RouteTable) -> None:
        """Go by a table. Raises HAProxyAway, Unloadable, OSError."""
        self._routes = table.routes
        await self._push(_AT_A_GATE)
        await self._origins.look_up(table.routes, again=False)
        async with self._turn:
            await self._bring()

    async def refresh(self) -> None:
        """Look origins and certificates up again. Raises as `apply` does."""
        await self._origins.look_up(self._routes or (), again=True)
        async with self._turn:
            self._look_at_certificates()
            await self._bring()

    async def allow_upgrades(self, *, are_allowed: bool) -> None:
        """Take new connections, or none as long as they cannot be counted."""
        if are_allowed != self.takes_upgrades:
            async with self._turn:
                self.takes_upgrades = are_allowed
                # Told first: where no usage can be written, no map can be either.
                try:
                    await self._push((maps.EDGE,))
                finally:
                    maps.write(self._maps(), self._folder)

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

    async def _bring(self) -> None:
        self._origins.conclude(self._routes or ())
        wanted = self._maps()
        maps.write(wanted, self._folder)
        configuration = self._render()
        if self._digest() != self._loaded():
            await self._supervisor.put_in_place(configuration)
            await self._supervisor.reload()
            self._note_loaded()
            self.reloads += 1
        elif (self._folder / CONFIGURATION).read_bytes() != configuration:
            write_lasting(self._folder / CONFIGURATION, configuration)
        processes = await self._master.processes()
        if self._told != (processes, wanted):
            await self._push(maps.NAMES)
            self._told = processes, wanted
        await self._push_addresses(processes.current)

    async def _push(self, names: Iterable[str]) -> None:
        """Bring the workers' maps to what is wanted; those that drain need the gate's."""
        wanted = self._maps()
        processes = await self._master.processes()
        for worker in processes.workers:
            is_current = worker in processes.current
            told: list[str] = []
            for name in names:
                if is_current or name in _AT_A_GATE:
                    held = await self._master.map_of(worker, name)
                    told += maps.commands(name, held, wanted[name])
            await self._master.tell(worker, told)

    async def _push_addresses(self, workers: tuple[int, ...]) -> None:
        for worker in workers:
            told = []
            wanted = {}
            for route in self._routes or ():
                if route.origin is None:
                    continue
                there = places(self._origins.addresses.get(route.service, ()))
                wanted[worker, route.service] = there
                if self._places.get((worker, route.service)) != there:
                    told += _moved(route.service, there)
            await self._master.tell(worker, told)
            self._places = wanted

    def _maps(self) -> maps.Maps:
        return maps.build(
            self._routes or (),
            self._origins.reasons,
            takes_upgrades=self.takes_upgrades,
        )

    def _render(self) -> bytes:
        wild = self._maps()[maps.WILD]
        return render(self._frame, self._routes, self._origins.addresses, wild)

    def _digest(self) -> str:
        wild = self._maps()[maps.WILD]
        without_addresses = render(self._frame, self._routes, {}, wild)
        return hashlib.sha256(without_addresses).hexdigest()

    def _loaded(self) -> str:
        path = self._folder / _LOADED
        return path.read_text("ascii") if path.exists() else ""

    def _note_loaded(self) -> None:
        write_lasting(self._folder / _LOADED, self._digest().encode())

    def _look_at_certificates(self) -> None:
        if not self._settings.certificate_folder:
            return
        source = Path(self._settings.certificate_folder)
        listed = certlist.write_list(source, self._folder)
        self._frame = _frame(self._settings, listed)


def _moved(service: str, there: tuple[Address, ...]) -> list[str]:
    return [
        f"set server {kind}{service}/o{number} addr {address}"
        for number, address in enumerate(there, 1)
        for kind in (WEBSOCKET, PLAIN)
    ]


def _frame(settings: Settings, listed: certlist.CertificateList | None = None) -> Frame:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(16, (hard - _SPARE_DESCRIPTORS) // 2)
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
