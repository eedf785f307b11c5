"""Brings HAProxy to what the route table says: through its sockets, or by a reload.

What the table no longer permits is sent to every worker first. So a slow name server or a
reload never keeps WebSockets open for a service that has been switched off.
"""

import asyncio
import hashlib
import logging
import re
import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from products.edge.addresses import Address
from products.edge.contract import Origin, Route, RouteTable
from products.edge.dns import (
    LOOKUP_SECONDS,
    AddressDenied,
    CachingResolver,
    Unresolvable,
)
from products.edge.errors import EdgeError
from products.edge.files import atomic_write
from products.edge.haproxy import maps
from products.edge.haproxy.config import (
    CONFIGURATION,
    LUA_SCRIPT,
    MIN_SERVERS,
    NO_ADDRESS,
    PLAIN,
    REJECTION_SLOTS,
    WEBSOCKET,
    OperatorOptions,
    lua_script,
    origin_problem,
    render,
    server_addresses,
)
from products.edge.haproxy.process import (
    CURRENT,
    ConfigRejected,
    HAProxyProcess,
    MasterSocket,
)
from products.edge.settings import Limits, Settings, with_tunnel_limits
from products.edge.tls import client_tls, load_certificate
from products.protocol import is_ip

log = logging.getLogger(__name__)

_LOADED = "loaded"  # the digest of the configuration that the current worker has loaded
_CERTIFICATE_LIST = "certificates.list"
_DEFAULT_CERTIFICATE = "default"
_LISTABLE_PATH = re.compile(r"[A-Za-z0-9._/@+-]+")  # the list has no quoting
_SPARE_DESCRIPTORS = 256
_MIN_CONNECTIONS = 16
_FIRST_LOOKUP_WAIT_SECONDS = LOOKUP_SECONDS + 0.5
_NEW_NAME_WAIT_SECONDS = 0.5  # so that a request for a new service finds its origin
# Per refresh, which is every five seconds, so that the name server is not flooded.
_MAX_REFRESHED_NAMES = 1000

_OriginKey: TypeAlias = tuple[str, int]  # address, port


@dataclass(frozen=True, slots=True)
class Resolved:
    """The last result for one origin: addresses, or why it has none. Both are empty before it."""

    addresses: tuple[Address, ...] = ()
    problem: str = ""


_UNRESOLVED = Resolved()


class OriginResolver:
    """The addresses of a route table's origins; look-ups run in the background.

    HAProxy gets addresses that were checked here and never a name. So HAProxy connects to
    nothing that was not checked.
    """

    def __init__(self, resolver: CachingResolver) -> None:
        self._resolver = resolver
        self._resolved: dict[_OriginKey, Resolved] = {}  # the oldest look-up first
        self.in_flight: dict[_OriginKey, asyncio.Task[None]] = {}
        self.has_changed = asyncio.Event()  # a look-up had another result than before
        self.servers: dict[str, tuple[Address, ...]] = {}
        self.problems: dict[str, str] = {}

    def look_up(self, routes: Iterable[Route], *, again: bool) -> None:
        """Start to look up new origins and, if `again`, those whose look-up is the oldest."""
        owners = {
            (route.origin.address, route.origin.port): route.account
            for route in routes
            if route.origin is not None and not origin_problem(route.origin)
        }
        for key, owner in owners.items():
            if self._resolved.setdefault(key, _UNRESOLVED) == _UNRESOLVED:
                self._start(key, owner)
        if again:
            due = (key for key in self._resolved if key in owners and not is_ip(key[0]))
            for key in list(islice(due, _MAX_REFRESHED_NAMES)):
                self._resolved[key] = self._resolved.pop(key)  # to the end
                self._start(key, owners[key])

    async def wait_for_new(self, seconds: float) -> None:
        """Wait for the first look-ups of origins, at most so long."""
        awaited = [
            task
            for key, task in self.in_flight.items()
            if self._resolved.get(key) == _UNRESOLVED
        ]
        if awaited:
            await asyncio.wait(awaited, timeout=seconds)

    def close(self) -> None:
        """Stop waiting for look-ups."""
        for task in self.in_flight.values():
            task.cancel()

    def publish_results(self, routes: Iterable[Route]) -> None:
        """Set `servers` and `problems` of each service to the newest results.

        `servers` has an address for each server, and never fewer than before: fewer would
        need a reload. A problem is "" if the origin has addresses. A service without a
        result has none.
        """
        results = {route.service: self._result(route.origin) for route in routes}
        self.servers = {
            name: server_addresses(
                result.addresses, len(self.servers.get(name, ())) or MIN_SERVERS
            )
            for name, result in results.items()
        }
        self.problems = {
            name: result.problem
            for name, result in results.items()
            if result != _UNRESOLVED
        }

    def forget_all_but(self, routes: Iterable[Route]) -> None:
        """Forget the origins that no route has."""
        used = {
            (route.origin.address, route.origin.port)
            for route in routes
            if route.origin is not None
        }
        self._resolved = {
            key: result for key, result in self._resolved.items() if key in used
        }

    def _start(self, key: _OriginKey, owner: str) -> None:
        if key not in self.in_flight:
            self.in_flight[key] = asyncio.ensure_future(self._resolve(key, owner))

    async def _resolve(self, key: _OriginKey, owner: str) -> None:
        host, port = key
        try:
            found = await self._resolver.addresses(host, port, owner=owner, max_age=0)
        except AddressDenied:
            result = Resolved(problem=EdgeError.ORIGIN_DENIED.sentence())
        except Unresolvable:
            result = Resolved(problem=EdgeError.ORIGIN_NOT_RESOLVED.sentence())
        else:
            result = Resolved(self._in_stable_order(key, found))
        finally:
            del self.in_flight[key]
        if self._resolved.get(key, result) != result:
            self._resolved[key] = result
            self.has_changed.set()

    def _in_stable_order(
        self, key: _OriginKey, found: Sequence[Address]
    ) -> tuple[Address, ...]:
        # Those in use come first, so a name server that rotates addresses changes nothing.
        used = self._resolved.get(key, _UNRESOLVED).addresses
        kept = [address for address in used if address in found]
        new = sorted(
            set(found) - set(kept), key=lambda address: (address.version, int(address))
        )
        return tuple(kept + new)

    def _result(self, origin: Origin | None) -> Resolved:
        if origin is None:
            return _UNRESOLVED
        if problem := origin_problem(origin):
            return Resolved(problem=problem)
        return self._resolved.get((origin.address, origin.port), _UNRESOLVED)


@dataclass(frozen=True, slots=True)
class CertificateList:
    """What HAProxy's list of certificates contains, to notice a change."""

    digest: str
    has_default: bool


def write_certificate_list(source: Path, target: Path) -> CertificateList:
    """List the valid `DOMAIN.pem` files of a folder, `default.pem` first. Raises OSError.

    HAProxy would reject all certificates because of one invalid file.
    """
    valid = []
    digest = hashlib.sha256()
    for path in sorted(
        source.glob("*.pem"), key=lambda path: (path.stem != _DEFAULT_CERTIFICATE, path)
    ):
        if problem := _certificate_problem(path):
            log.warning("The certificate %s is not used: %s", path.name, problem)
            continue
        valid.append(path)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    lines = "".join(f"{path.resolve()}\n" for path in valid)
    listing = target / _CERTIFICATE_LIST
    if not listing.exists() or listing.read_text() != lines:
        atomic_write(listing, lines.encode())
    has_default = any(path.stem == _DEFAULT_CERTIFICATE for path in valid)
    return CertificateList(digest.hexdigest(), has_default)


def _certificate_problem(path: Path) -> str:
    if not _LISTABLE_PATH.fullmatch(str(path.resolve())):
        return "HAProxy cannot read a path with such characters."
    try:
        load_certificate(client_tls(), path)
    except OSError as error:  # includes ssl.SSLError
        return str(error)
    return ""


class ConfigReconciler:
    """The configuration and the maps of one HAProxy."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        master: MasterSocket,
        process: HAProxyProcess,
        resolver: CachingResolver,
    ) -> None:
        """Start without routes. Raises OSError."""
        self._settings = settings
        self._folder = folder
        self._master = master
        self._process = process
        self._origins = OriginResolver(resolver)
        self._options = _operator_options(settings)
        self._reconciling = asyncio.Lock()
        self._sending_permissions = asyncio.Lock()
        self._routes: tuple[Route, ...] | None = None
        # Permissions follow the newest table immediately, the rest after look-ups and a reload.
        self._permitted: tuple[Route, ...] = ()
        self._applied: tuple[object, ...] | None = None
        self._server_addresses: dict[int, dict[str, str]] = {}  # per worker
        self.accepts_websockets = True
        self._full: frozenset[str] = frozenset()  # services
        atomic_write(folder / LUA_SCRIPT, lua_script())

    async def prepare(self, table: RouteTable | None) -> None:
        """Write all files before HAProxy starts. Raises ConfigRejected, OSError."""
        await self._list_certificates()
        if table is not None:
            self._routes = self._permitted = table.routes
            self._server_addresses = {}
            self._origins.look_up(table.routes, again=True)
            await self._origins.wait_for_new(_FIRST_LOOKUP_WAIT_SECONDS)
            self._origins.publish_results(table.routes)
        wanted = self._maps()
        maps.write(wanted, self._folder)
        wildcards = wanted[maps.WILDCARDS]
        try:
            await self._process.install(self._render(wildcards))
        except ConfigRejected as error:
            if not (self._folder / CONFIGURATION).exists():
                raise
            log.error("The last valid configuration is used: %s", error)  # noqa: TRY400
        else:
            self._save_loaded_digest(self._digest(wildcards))

    async def revoke_now(self, table: RouteTable) -> None:
        """Refuse what a table no longer permits. Raises HAProxyUnreachable, OSError."""
        self._permitted = table.routes
        await self._change_permissions(*maps.PERMISSION_MAPS)

    async def apply(self, table: RouteTable) -> None:
        """Bring HAProxy to a table, after `revoke_now`.

        Raises HAProxyUnreachable, ConfigRejected, OSError.
        """
        self._origins.look_up(table.routes, again=False)
        is_first = self._applied is None
        await self._origins.wait_for_new(
            _FIRST_LOOKUP_WAIT_SECONDS if is_first else _NEW_NAME_WAIT_SECONDS
        )
        async with self._reconciling:
            self._routes = table.routes
            await self._reconcile()
        self._origins.forget_all_but(table.routes)

    async def refresh(self) -> None:
        """Start to look origins up again, and read certificates. Raises as `apply` does."""
        self._origins.look_up(self._routes or (), again=True)
        async with self._reconciling:
            await self._list_certificates()
            await self._reconcile()

    async def follow_names(self) -> None:
        """Wait until an origin has other addresses, and use them. Raises as `apply` does."""
        await self._origins.has_changed.wait()
        self._origins.has_changed.clear()
        async with self._reconciling:
            await self._reconcile()

    async def allow_upgrades(self, *, are_allowed: bool) -> None:
        """Accept new WebSocket connections, or none while they cannot be counted.

        Raises HAProxyUnreachable, OSError.
        """
        if are_allowed != self.accepts_websockets:
            self.accepts_websockets = are_allowed
            await self._change_permissions(*maps.PERMISSION_MAPS)

    @property
    def limits(self) -> Limits:
        """The limits that this HAProxy keeps to."""
        return self._options.limits

    async def limit(self, full: frozenset[str]) -> None:
        """Accept no new WebSocket connection of some services, because of their account's limit.

        Raises HAProxyUnreachable, OSError.
        """
        if full == self._full:
            return
        self._full = full
        # Only this map: near the limit it changes often.
        await self._change_permissions(maps.FULL)

    def close(self) -> None:
        """Stop waiting for look-ups."""
        self._origins.close()

    async def close_tunnels(self, services: Iterable[str]) -> None:
        """Close every tunnel of some services in every worker. Raises HAProxyUnreachable."""
        backends = frozenset(WEBSOCKET + service for service in services)
        for worker in (await self._master.processes()).workers:
            sessions = await self._master.sessions(worker, backends)
            await self._master.send(
                worker, [f"shutdown session {session}" for session in sessions]
            )

    async def _reconcile(self) -> None:
        self._origins.publish_results(self._routes or ())
        processes = await self._master.processes()
        if self._applied == (processes, *self._inputs()):
            return
        self._applied = None
        inputs = self._inputs()
        wanted = self._maps()
        maps.write(wanted, self._folder)
        wildcards = wanted[maps.WILDCARDS]
        configuration = self._render(wildcards)
        digest = self._digest(wildcards)
        if digest != self._loaded_digest():
            await self._process.install(configuration)
            processes = await self._process.reload()
            self._save_loaded_digest(digest)
        elif (self._folder / CONFIGURATION).read_bytes() != configuration:
            atomic_write(self._folder / CONFIGURATION, configuration)
        await self._send_addresses(processes.current)
        for worker in processes.current:
            for name in maps.ROUTING_MAPS:
                await self._send_map(worker, name, wanted[name])
        await self._send_permissions(processes.workers, maps.PERMISSION_MAPS)
        self._applied = (processes, *inputs)

    def _inputs(self) -> tuple[object, ...]:
        """Return all that the configuration, the maps and the addresses are made from."""
        return (
            self._routes,
            self._permitted,
            self.accepts_websockets,
            self._options,
            self._origins.servers,
            self._origins.problems,
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
        current = await self._master.read_map(worker, name)
        await self._master.send(worker, maps.commands(name, current, wanted))

    async def _send_addresses(self, workers: tuple[int, ...]) -> None:
        wanted = {
            f"{kind}{service}/o{number}": str(address)
            for service, addresses in self._origins.servers.items()
            for number, address in enumerate(addresses, 1)
            for kind in (WEBSOCKET, PLAIN)
        }
        for worker in workers:
            current = self._server_addresses.get(worker)
            if not current:
                current = await self._master.servers(worker)
            known = current.keys() & wanted.keys()
            await self._master.send(
                worker,
                [
                    f"set server {name} addr {wanted[name]}"
                    for name in known
                    if current[name] != wanted[name]
                ],
            )
            current |= {name: wanted[name] for name in known}
            self._server_addresses[worker] = current
        self._server_addresses = {
            worker: self._server_addresses[worker] for worker in workers
        }

    def _permission_maps(self) -> maps.Maps:
        return maps.permission_maps(
            self._permitted, accepts_websockets=self.accepts_websockets, full=self._full
        )

    def _maps(self) -> maps.Maps:
        routing = maps.routing_maps(self._routes or (), self._origins.problems)
        return routing | self._permission_maps()

    def _render(self, wildcards: Mapping[str, str]) -> bytes:
        return render(self._options, self._routes, self._origins.servers, wildcards)

    def _digest(self, wildcards: Mapping[str, str]) -> str:
        """Return a digest of what needs a reload: all but the origins' addresses."""
        unnamed = {
            name: (NO_ADDRESS,) * len(addresses)
            for name, addresses in self._origins.servers.items()
        }
        configuration = render(self._options, self._routes, unnamed, wildcards)
        return hashlib.sha256(configuration).hexdigest()

    def _loaded_digest(self) -> str:
        path = self._folder / _LOADED
        return path.read_text("ascii") if path.exists() else ""

    def _save_loaded_digest(self, digest: str) -> None:
        atomic_write(self._folder / _LOADED, digest.encode())

    async def _list_certificates(self) -> None:
        if self._settings.certificate_folder:
            source = Path(self._settings.certificate_folder)
            # In a thread, because there may be very many.
            found = await asyncio.to_thread(
                write_certificate_list, source, self._folder
            )
            self._options = _operator_options(self._settings, found)


def _operator_options(
    settings: Settings, certificates: CertificateList | None = None
) -> OperatorOptions:
    _, max_descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = max(
        _MIN_CONNECTIONS, (max_descriptors - _SPARE_DESCRIPTORS) // 2 - REJECTION_SLOTS
    )
    connections = min(settings.limits.connections or possible, possible)
    return OperatorOptions(
        bind=settings.bind,
        port=settings.port,
        tls_port=settings.tls_port if settings.certificate_folder else 0,
        threads=settings.processes,
        max_connections=connections,
        ca_file=str(Path(settings.ca_file).resolve()) if settings.ca_file else "",
        limits=with_tunnel_limits(
            settings.limits, capacity=connections, processes=settings.processes
        ),
        certificates=certificates.digest if certificates else "",
        has_default_certificate=bool(certificates and certificates.has_default),
    )
