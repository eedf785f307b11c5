"""Brings HAProxy to what the route table says: through its sockets, or by a reload.

What the table no longer permits is sent to every worker first. So a slow name server or a
reload never keeps WebSockets open for a service that has been switched off.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from products.addresses import Address
from products.edge.contract import Origin, Route, RouteTable
from products.edge.dns import CachingResolver
from products.edge.errors import EdgeError
from products.edge.files import atomic_write
from products.edge.haproxy import maps
from products.edge.haproxy.config import (
    CONFIGURATION,
    LUA_SCRIPT,
    MIN_SERVERS,
    PLAIN,
    WEBSOCKET,
    CertificateList,
    digest_of,
    lua_script,
    origin_problem,
    render,
    server_addresses,
)
from products.edge.haproxy.process import CURRENT, ConfigRejected, HAProxy
from products.edge.settings import Settings
from products.edge.tls import CertificateFolder, load_certificate
from products.lookup import LOOKUP_SECONDS, AddressDenied, Unresolvable
from products.protocol import is_ip

log = logging.getLogger(__name__)

_CERTIFICATE_LIST = "certificates.list"
_DEFAULT_CERTIFICATE = "default"
_LISTABLE_PATH = re.compile(r"[A-Za-z0-9._/@+-]+")  # the list has no quoting
REFRESH_SECONDS = 5.0  # between two looks at all origins and certificates
_FIRST_WAIT_SECONDS = LOOKUP_SECONDS + 0.5
_NEW_NAME_WAIT_SECONDS = 0.5  # so that a request for a new service finds its origin
# Per refresh, so that the name server is not flooded.
_MAX_REFRESHED_NAMES = 1000


class OriginResolver:
    """The addresses of a route table's origins; look-ups run in the background.

    HAProxy gets addresses that were checked here and never a name. So HAProxy connects to
    nothing that was not checked.
    """

    def __init__(self, resolver: CachingResolver) -> None:
        self._resolver = resolver
        self.servers: dict[str, tuple[Address, ...]] = {}
        self.problems: dict[str, str] = {}

    async def update(self, routes: Iterable[Route], *, again: bool) -> None:
        """Start to look up new origins and, if `again`, those whose look-up is the oldest.

        Wait for the new ones for a short time, then set `servers` and `problems` of each
        service. `servers` has an address for each server, and never fewer than before: fewer
        would need a reload. A problem is "" if the origin has addresses. A service whose
        origin has not been looked up yet has none.
        """
        owners = {
            (route.origin.address, route.origin.port): route.account
            for route in routes
            if route.origin is not None and not origin_problem(route.origin)
        }
        names = self._resolver.names
        new = owners.keys() - names.keys()
        due = [key for key in names if again and key in owners and not is_ip(key[0])]
        looking_up = {
            key: self._resolver.look_up(*key, owner=owners[key], max_age=0).task
            for key in [*new, *due[:_MAX_REFRESHED_NAMES]]
        }
        if new:
            seconds = _NEW_NAME_WAIT_SECONDS if self.servers else _FIRST_WAIT_SECONDS
            await asyncio.wait([looking_up[key] for key in new], timeout=seconds)
        servers, problems = {}, {}
        for route in routes:
            addresses, problem = self._result(route.origin)
            least = len(self.servers.get(route.service, ())) or MIN_SERVERS
            servers[route.service] = server_addresses(addresses, least)
            if addresses or problem:
                problems[route.service] = problem
        self.servers, self.problems = servers, problems

    def _result(self, origin: Origin | None) -> tuple[tuple[Address, ...], str]:
        """Return an origin's addresses, or why it has none; neither before the first look-up."""
        if origin is None:
            return (), ""
        if problem := origin_problem(origin):
            return (), problem
        name = self._resolver.names.get((origin.address, origin.port))
        try:
            found = name.result() if name is not None else ()
            # Sorted, so that a name server that rotates addresses changes nothing.
            return tuple(sorted(found, key=lambda one: (one.version, int(one)))), ""
        except AddressDenied:
            return (), EdgeError.ORIGIN_DENIED.sentence()
        except Unresolvable:
            return (), EdgeError.ORIGIN_NOT_RESOLVED.sentence()


def read_certificate(path: Path) -> tuple[str, bytes]:
    """Return a valid file's whole path, and its digest. Raises OSError."""
    whole = str(path.resolve())
    if not _LISTABLE_PATH.fullmatch(whole):
        raise OSError("HAProxy cannot read a path with such characters.")
    load_certificate(path)
    return whole, hashlib.sha256(path.read_bytes()).digest()


def write_certificate_list(
    source: CertificateFolder[tuple[str, bytes]], target: Path
) -> CertificateList:
    """List the valid `DOMAIN.pem` files of a folder, `default.pem` first. Raises OSError.

    HAProxy would reject all certificates because of one invalid file.
    """
    source.refresh()
    valid = source.loaded.keys() - source.faults.keys()
    names = sorted(valid, key=lambda name: (name != _DEFAULT_CERTIFICATE, name))
    lines = "".join(f"{source.loaded[name][0]}\n" for name in names)
    digest = hashlib.sha256(b"".join(source.loaded[name][1] for name in names))
    listing = target / _CERTIFICATE_LIST
    if not listing.exists() or listing.read_text() != lines:
        atomic_write(listing, lines.encode())
    return CertificateList(digest.hexdigest(), _DEFAULT_CERTIFICATE in names)


class ConfigReconciler:
    """The configuration and the maps of one HAProxy."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        haproxy: HAProxy,
        resolver: CachingResolver,
    ) -> None:
        """Start without routes. Raises OSError."""
        self._settings = settings
        self._folder = folder
        self._haproxy = haproxy
        self._origins = OriginResolver(resolver)
        # An address; the agent sets it for another table, too.
        self.has_changed = resolver.has_changed
        self._refresh_at = 0.0  # by the monotonic clock
        self._certificates = CertificateList()
        self._certificate_folder = CertificateFolder(
            Path(settings.tls_certificates), read_certificate
        )
        self._sending_permissions = asyncio.Lock()
        self._routes: tuple[Route, ...] | None = None
        # Permissions follow the newest table immediately, the rest after look-ups and a reload.
        self._permitted: tuple[Route, ...] = ()
        self._applied: object = None
        self._full: frozenset[str] = frozenset()  # services
        atomic_write(folder / LUA_SCRIPT, lua_script())

    async def prepare(self, table: RouteTable | None) -> None:
        """Write all files before HAProxy starts. Raises ConfigRejected, OSError."""
        self._permitted = table.routes if table else ()
        self._refresh_at = 0.0
        await self._read(table)
        maps.write(self._maps(), self._folder)
        try:
            await self._haproxy.install(self._render())
        except ConfigRejected as error:
            if not (self._folder / CONFIGURATION).exists():
                raise
            log.error("The last valid configuration is used: %s", error)  # noqa: TRY400

    async def revoke_now(self, table: RouteTable) -> None:
        """Refuse what a table no longer permits. Raises HAProxyUnreachable, OSError."""
        self._permitted = table.routes
        await self._change_permissions(*maps.PERMISSION_MAPS)

    async def apply(self, table: RouteTable) -> None:
        """Bring HAProxy to a table, after `revoke_now`, and to what has changed besides it.

        Raises HAProxyUnreachable, ConfigRejected, OSError.
        """
        await self._read(table)
        # All that the configuration, the maps and the addresses are made from.
        inputs = (
            self._routes,
            self._permitted,
            self._certificates,
            self._origins.servers,
            self._origins.problems,
        )
        processes = await self._haproxy.processes()
        if self._applied == (processes, inputs):
            return
        self._applied = None
        wanted = self._maps()
        maps.write(wanted, self._folder)
        configuration = self._render()
        path = self._folder / CONFIGURATION
        if digest_of(configuration) != await self._haproxy.digest():
            await self._haproxy.install(configuration)
            processes = await self._haproxy.reload()
        elif path.read_bytes() != configuration:
            atomic_write(path, configuration)
        for worker in processes.current:
            await self._send_addresses(worker)
            for name in maps.ROUTING_MAPS:
                await self._send_map(worker, name, wanted[name])
        await self._send_permissions(processes.workers, maps.PERMISSION_MAPS)
        self._applied = processes, inputs

    async def _read(self, table: RouteTable | None) -> None:
        """Read a table and its origins' addresses; sometimes the certificates, too."""
        is_due = time.monotonic() >= self._refresh_at
        if is_due:
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            if self._settings.tls_certificates:
                # In a thread, because there may be very many.
                self._certificates = await asyncio.to_thread(
                    write_certificate_list, self._certificate_folder, self._folder
                )
        self._routes = table.routes if table else None
        await self._origins.update(self._routes or (), again=is_due)

    async def limit(self, full: frozenset[str]) -> None:
        """Accept no new WebSocket connection of some services, or of ALL_SERVICES.

        Raises HAProxyUnreachable, OSError.
        """
        if full == self._full:
            return
        self._full = full
        try:
            # Only this map: near the limit it changes often.
            await self._change_permissions(maps.FULL)
        except OSError:
            self._applied = None  # `apply` sends it again
            raise

    async def close_tunnels(self, services: Iterable[str]) -> None:
        """Close every tunnel of some services in every worker. Raises HAProxyUnreachable."""
        backends = frozenset(WEBSOCKET + service for service in services)
        for worker in (await self._haproxy.processes()).workers:
            sessions = await self._haproxy.sessions(worker, backends)
            await self._haproxy.send(
                worker, [f"shutdown session {session}" for session in sessions]
            )

    async def _change_permissions(self, *names: str) -> None:
        # Sent first: on a full disk no file can be written.
        try:
            await self._send_permissions((CURRENT,), names)
        finally:
            wanted = self._permission_maps()
            maps.write({name: wanted[name] for name in names}, self._folder)

    async def _send_permissions(
        self, workers: Iterable[int], names: Iterable[str]
    ) -> None:
        for worker in workers:
            # The lock, so that an earlier table is not sent after a later one.
            async with self._sending_permissions:
                wanted = self._permission_maps()
                for name in names:
                    await self._send_map(worker, name, wanted[name])

    async def _send_map(
        self, worker: int, name: str, wanted: Mapping[str, str]
    ) -> None:
        current = await self._haproxy.read_map(worker, name)
        await self._haproxy.send(worker, maps.commands(name, current, wanted))

    async def _send_addresses(self, worker: int) -> None:
        wanted = {
            f"{kind}{service}/o{number}": str(address)
            for service, addresses in self._origins.servers.items()
            for number, address in enumerate(addresses, 1)
            for kind in (WEBSOCKET, PLAIN)
        }
        current = await self._haproxy.servers(worker)
        await self._haproxy.send(
            worker,
            [
                f"set server {name} addr {address}"
                for name, address in wanted.items()
                if current.get(name, address) != address
            ],
        )

    def _permission_maps(self) -> maps.Maps:
        return maps.permission_maps(self._permitted, self._full)

    def _maps(self) -> maps.Maps:
        routing = maps.routing_maps(self._routes or (), self._origins.problems)
        return routing | self._permission_maps()

    def _render(self) -> bytes:
        return render(
            self._settings, self._certificates, self._routes, self._origins.servers
        )
