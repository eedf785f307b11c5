"""Generates HAProxy's whole configuration from a route table.

Only the addresses of origins change without a reload, by `set server`, as long as a backend
has enough servers for them. Permissions are in maps.
"""

import hashlib
import re
import resource
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from products.addresses import Address
from products.edge.contract import PLATFORM, HeaderRule, Origin, Route
from products.edge.errors import EdgeError
from products.edge.haproxy.maps import NOT_ON, is_host, is_service
from products.edge.headers import HOP_BY_HOP, MAX_HOPS, OVERWRITTEN, prepare_rules
from products.edge.settings import Limits, Settings, with_tunnel_limits
from products.edge.startup import LIVENESS_OPTIONS
from products.protocol import (
    MAX_HEADER_NAME_LENGTH,
    MAX_HOST_LENGTH,
    MAX_PORT,
    PROTECTED_HEADER_PREFIXES,
    PROTECTED_HEADERS,
    certificate_name,
    host_field,
    is_ip,
)

CONFIGURATION = "haproxy.cfg"
LUA_SCRIPT = "edge.lua"
WORKER_SOCKET = "worker.sock"  # of the worker that accepts connections
# The events of upgrades that were rejected for a limit.
SERVICE_FULL, ACCOUNT_FULL = "service_full", "account_full"
WEBSOCKET, PLAIN = "ws_", "web_"  # two backends per service; sessions of one are closed

# Of each backend, at least: an origin with more addresses has more. A server with TLS costs
# HAProxy 3 ms at every start, for its own copy of all authorities.
MIN_SERVERS = 2
# For documentation; the maps keep requests from it.
NO_ADDRESS = ip_address("192.0.2.1")

# How long an entry of t_conn outlives its connection, for an agent that was away.
EXPIRE_MS = 3_600_000

# Connections above the limit that get an error response; more than these wait.
REJECTION_SLOTS = 64

_SPARE_DESCRIPTORS = 256
_MIN_CONNECTIONS = 16
_LIVENESS = {option: value for _, option, value in LIVENESS_OPTIONS}
_UNACKNOWLEDGED_MS = _LIVENESS[socket.TCP_USER_TIMEOUT]
_TEXT = (
    'content-type "text/plain; charset=utf-8"'
    " hdr Cache-Control no-store hdr X-Content-Type-Options nosniff"
)
_PLACEHOLDER = re.compile("@([A-Z_]+)@")
_UNQUOTED = re.compile(rb"[A-Za-z0-9._/:@,*+-]+")
_SERVER_ADDRESS = re.compile(rb"^(    server \w+) ipv\S+(?=:)", re.MULTILINE)
_LINE_BREAKERS = re.compile(rb"[\x00\r\n]")


class Unquotable(ValueError):
    """A value that cannot be in one line of the configuration."""


class CertificateList(NamedTuple):
    """What HAProxy's list of certificates contains."""

    digest: str = ""
    has_default: bool = False


def with_all_limits(settings: Settings) -> Settings:
    """Return settings with the limits of one HAProxy, in all its threads."""
    limits = settings.limits
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = (descriptors - _SPARE_DESCRIPTORS) // 2 - REJECTION_SLOTS
    connections = max(_MIN_CONNECTIONS, possible)
    connections = min(limits.connections or connections, connections)
    limits = with_tunnel_limits(
        replace(limits, connections=connections),
        capacity=connections,
        processes=settings.processes,
    )
    ca_file = settings.ca_file and str(Path(settings.ca_file).resolve())
    return replace(settings, limits=limits, ca_file=ca_file)


def render(
    settings: Settings,
    certificates: CertificateList,
    routes: Iterable[Route] | None,
    addresses: Mapping[str, tuple[Address, ...]],
) -> bytes:
    """Return the configuration; `routes` is None until the first table has arrived.

    The settings are those that `with_all_limits` returns.
    `addresses` has an address for each server of a service, as `server_addresses` returns them. A
    service that is not in it has servers with an address that is never used. An origin that cannot
    be written gets no backend.
    """
    services = [
        _backends(
            settings.limits,
            settings.ca_file,
            route.service,
            route.origin,
            route.header_rules,
            addresses.get(route.service) or server_addresses(()),
        )
        for route in routes or ()
        if is_service(route.service)
    ]
    common = _common(settings, certificates, is_unready=routes is None)
    configuration = b"\n".join([common, *services])
    digest = hashlib.sha256(_SERVER_ADDRESS.sub(rb"\1", configuration))
    digest.update(lua_script() + certificates.digest.encode())
    return f"global\n    description {digest.hexdigest()}\n".encode() + configuration


def digest_of(configuration: bytes) -> str:
    """Return the digest of what needs a reload: all but the origins' addresses."""
    return configuration.split(maxsplit=3)[2].decode()


@lru_cache(maxsize=1)
def lua_script() -> bytes:
    """Return the Lua script, with the lists that portal and edge share filled in."""
    return _filled(
        LUA_SCRIPT,
        {
            "PROTECTED_HEADERS": ",".join(PROTECTED_HEADERS),
            "PROTECTED_HEADER_PREFIXES": ",".join(PROTECTED_HEADER_PREFIXES),
            "MAX_HEADER_NAME_LENGTH": MAX_HEADER_NAME_LENGTH,
        },
    )


def server_addresses(
    addresses: tuple[Address, ...], least: int = MIN_SERVERS
) -> tuple[Address, ...]:
    """Return an address for each server of a backend that has at least so many.

    All addresses are used. The number of servers is doubled until it is enough, because each
    change of it needs a reload.
    """
    count = least
    while count < len(addresses):
        count *= 2
    return tuple(islice(cycle(addresses or (NO_ADDRESS,)), count))


def origin_problem(origin: Origin) -> str:
    """Return why an origin cannot be written into the configuration; "" if it can."""
    if not 0 < origin.port <= MAX_PORT:
        return EdgeError.ORIGIN_PORT.sentence()
    if origin.use_tls and not is_host(_checked_name(origin).lower()):
        return EdgeError.ORIGIN_NAME.sentence()
    try:
        quote((origin.override_host or "").encode("ascii"))
    except (Unquotable, UnicodeEncodeError):
        return EdgeError.ORIGIN_OVERRIDE_HOST.sentence()
    return ""


def quote(value: bytes) -> bytes:
    """Return a value as exactly one word. Raises Unquotable for a line break or a null.

    HAProxy takes every byte between single quotes as it is (Configuration Manual 2.6, 2.2,
    "Quoting and escaping").
    """
    if _LINE_BREAKERS.search(value):
        raise Unquotable(repr(value))
    if _UNQUOTED.fullmatch(value):
        return value
    return b"'" + value.replace(b"'", b"'\\''") + b"'"


def quote_format(value: bytes) -> bytes:
    """Return a value as one word where HAProxy expects a log-format. Raises Unquotable."""
    if not value:
        return b"'%[str()]'"  # HAProxy takes an empty word for a missing one
    return quote(value.replace(b"%", b"%%"))


def _filled(template: str, values: Mapping[str, object]) -> bytes:
    """Return a file beside this one with the names between @ signs replaced by values."""
    text = Path(__file__).with_name(template).read_text("ascii")
    return _PLACEHOLDER.sub(lambda name: str(values[name[1]]), text).encode()


def _response(error: EdgeError) -> str:
    """Return what `http-request return` and `http-error` send for an error."""
    values = {"host": "%[var(txn.host)]", "reason": "%[var(txn.ws),b64dec]"}
    sentence = error.sentence(**values, limit="")
    return f'status {error.status.value} {_TEXT} lf-string "{sentence}\\n"'


def _any_spelling(names: Iterable[str]) -> str:
    """Return a pattern of header names, in which - and _ are the same."""
    return "|".join(name.replace("-", "[-_]") for name in names)


# HAProxy itself writes the fields that frame a message.
_FRAMING = {b"host", b"content-length", b"transfer-encoding"}
_PREFIXED = [prefix + "[^,]*" for prefix in PROTECTED_HEADER_PREFIXES]
# The values that never change.
_CONSTANTS: dict[str, object] = {
    "TEXT": _TEXT,
    "RETRIES": MIN_SERVERS - 1,
    "KEEPALIVE_SECONDS": _LIVENESS[socket.TCP_KEEPIDLE],
    "UNACKNOWLEDGED_MS": _UNACKNOWLEDGED_MS,
    "EXPIRE_MS": EXPIRE_MS,
    "MORE_HOST_CHARACTERS": MAX_HOST_LENGTH - 1,
    # Names that differ from a protected one by underscores.
    "LOOKALIKES": f"(?=[^,]*_)({_any_spelling([*PROTECTED_HEADERS, *_PREFIXED])})",
    "PLATFORM": PLATFORM,
    "MAX_HOPS": MAX_HOPS,
    "NOT_ON": NOT_ON,
    "HOP_BY_HOP": _any_spelling(map(bytes.decode, sorted(HOP_BY_HOP - _FRAMING))),
    "OVERWRITTEN": _any_spelling(map(bytes.decode, sorted(OVERWRITTEN))),
} | {error.name: _response(error) for error in EdgeError}


def _common(
    settings: Settings, certificates: CertificateList, *, is_unready: bool
) -> bytes:
    """Return all but the services' backends."""
    limits = settings.limits
    per_address = limits.handshakes_per_address * settings.processes
    accepted = limits.connections + REJECTION_SLOTS
    return _filled(
        CONFIGURATION,
        {
            "THREADS": settings.processes,
            "MAX_ACCEPTED": accepted,
            "MAX_LINES": limits.head_lines + 1,
            "HEAD_MS": _ms(limits.head_seconds),
            "CONNECT_MS": _ms(limits.connect_seconds / MIN_SERVERS),
            "QUIET_MS": _ms(limits.quiet_seconds),
            "RESPONSE_MS": _ms(limits.response_seconds),
            "IDLE_MS": _ms(limits.idle_seconds),
            "HALF_OPEN_MS": _ms(limits.half_open_seconds),
            "TABLE_ADDRESSES": 2 * accepted,
            "HOST": f"[{settings.bind}]" if ":" in settings.bind else settings.bind,
            "PORT": settings.port,
            "HAS_TLS": int(bool(settings.tls_port and settings.tls_certificates)),
            "TLS_PORT": settings.tls_port,
            "STRICT": "" if certificates.has_default else "strict-sni",
            "REJECTED_PER_ADDRESS": per_address + REJECTION_SLOTS,
            "MAX_CONNECTIONS": limits.connections,
            "MAX_PER_ADDRESS": per_address,
            "IS_UNREADY": str(is_unready).upper(),
        }
        | _CONSTANTS,
    )


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


# A table changes for one service, and is written for all.
@lru_cache(maxsize=50_000)
def _backends(
    limits: Limits,
    ca_file: str,
    service: str,
    origin: Origin | None,
    header_rules: tuple[HeaderRule, ...],
    addresses: tuple[Address, ...],
) -> bytes:
    if origin is None or origin_problem(origin):
        return b""
    rest = (
        _attempts(limits, len(addresses)),
        _header_rules(header_rules, origin),
        _servers(ca_file, origin, addresses),
    )
    return b"".join((
        f"backend {WEBSOCKET}{service}\n".encode(),
        f"    timeout server {_ms(limits.head_seconds)}ms\n".encode(),
        _service_limit(limits.tunnels_per_service), *rest,
        f"backend {PLAIN}{service}\n".encode(), *rest,
    ))  # fmt: skip


def _service_limit(most: int) -> bytes:
    """Reject handshakes above a service's limit; the one in question is counted already."""
    is_above = f"if {{ be_conn gt {most} }}"
    return (
        f"    http-request lua.log {SERVICE_FULL} {is_above}\n"
        f"    http-request return {_response(EdgeError.SERVICE_LIMIT)} {is_above}\n"
    ).encode()


def _attempts(limits: Limits, servers: int) -> bytes:
    """Let a request try every server of a backend, in the time for one connection."""
    if servers == MIN_SERVERS:
        return b""  # as in the defaults
    seconds = limits.connect_seconds / servers
    return f"    retries {servers - 1}\n    timeout connect {_ms(seconds)}ms\n".encode()


def _header_rules(header_rules: tuple[HeaderRule, ...], origin: Origin) -> bytes:
    lines = []
    if origin.override_host:
        host = quote_format(host_field(origin.override_host).encode("ascii"))
        lines.append(b"    http-request set-header Host " + host)
    for rule in prepare_rules(header_rules):
        if rule.action != "append":
            spelling = re.escape(rule.compared).replace(rb"\-", b"[-_]")
            pattern = quote(b"(?i)^" + spelling + b"$")
            lines.append(b"    http-request del-header " + pattern + b" -m reg")
        if rule.action != "delete":
            words = (quote(rule.name), quote_format(rule.value))
            lines.append(b"    http-request add-header " + b" ".join(words))
    return b"".join(line + b"\n" for line in lines)


def _servers(ca_file: str, origin: Origin, addresses: tuple[Address, ...]) -> bytes:
    # Not in `default-server`: HAProxy 2.6 reads it there but does not apply it.
    parameters = f" tcp-ut {_UNACKNOWLEDGED_MS}ms".encode()
    if origin.use_tls:
        parameters += _tls_parameters(ca_file, origin)
    lines = []
    for number, address in enumerate(addresses, 1):
        endpoint = f"ipv{address.version}@{address}:{origin.port}"
        lines.append(f"    server o{number} {endpoint}".encode() + parameters + b"\n")
    return b"".join(lines)


def _checked_name(origin: Origin) -> str:
    return certificate_name(origin.address, origin.override_host)


def _tls_parameters(ca_file: str, origin: Origin) -> bytes:
    name = _checked_name(origin)
    trusted = quote(ca_file.encode()) if ca_file else b"@system-ca"
    words = b" ssl verify required alpn http/1.1 ca-file " + trusted
    words += b" verifyhost " + quote(name.encode("ascii"))
    if not is_ip(name):
        words += b" sni " + quote(f"str({name})".encode("ascii"))
    return words
