"""Generates HAProxy's whole configuration from a route table.

Addresses of origins are the only thing in it that changes without a reload: a name has a
fixed number of places, which `set server` fills anew. Entitlement stands in maps.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from products.edge.addresses import Address
from products.edge.contract import HeaderRule, Origin, Route
from products.edge.errors import EdgeError
from products.edge.haproxy.frontend import (
    DEFAULTS,
    FRONTEND,
    LAST_REFUSALS,
    UNACKNOWLEDGED_MS,
    meters,
    room,
)
from products.edge.haproxy.master_socket import WORKER_SOCKET
from products.edge.haproxy.naming import PLAIN, WEBSOCKET, is_host, is_service
from products.edge.haproxy.quoting import Unquotable, format_word, word
from products.edge.headers import prepare_rules
from products.edge.origin_names import certificate_name
from products.edge.settings import Limits
from products.protocol import (
    MAX_HEADER_NAME_LENGTH,
    MAX_PORT,
    PROTECTED_HEADER_PREFIXES,
    PROTECTED_HEADERS,
)

CONFIGURATION = "haproxy.cfg"
LUA_SCRIPT = "edge.lua"
# Addresses of one origin that are dialled in turn. Each costs four servers a service, and a
# server with TLS costs HAProxy 3 ms at every start, for its own copy of all authorities.
PLACES = 2
NOWHERE = ip_address("192.0.2.1")  # documentation only; the gate lets nobody reach it

_MAX_LINE_BYTES = 17_408  # a head of 16 KiB and what HAProxy keeps for rewriting


@dataclass(frozen=True, slots=True)
class Frame:
    """What of the configuration comes from the operator, not from the table."""

    bind: str
    port: int
    tls_port: int  # 0 for plain HTTP alone
    threads: int
    most_connections: int
    ca_file: str  # "" for the operating system's public authorities
    limits: Limits
    certificates: str = ""  # changes when a certificate does
    has_default_certificate: bool = False


def render(
    frame: Frame,
    routes: Iterable[Route] | None,
    addresses: Mapping[str, tuple[Address, ...]],
    wild: Mapping[str, str],
) -> bytes:
    """Write the configuration; `routes` is None as long as no table has come.

    A service without addresses, or with an origin that cannot be written, gets places
    that lead nowhere. Wildcards are ordered in their file, so their change is a reload.
    """
    addresses_at_once = 2 * (frame.most_connections + LAST_REFUSALS)  # ample
    parts = [
        _global(frame),
        _defaults(frame.limits),
        meters(addresses_at_once).encode(),
        _front(frame),
    ]
    if routes is None:
        parts.append(b"    use_backend unready\n")
    else:
        parts.append(FRONTEND.encode())
        for suffix, service in wild.items():
            parts.append(f"# wildcard {suffix} {service}\n".encode())
        parts += [
            _backends(
                frame,
                route.service,
                route.origin,
                route.header_rules,
                addresses.get(route.service, ()),
            )
            for route in routes
            if is_service(route.service)
        ]
    return b"\n".join(parts)


@lru_cache(maxsize=1)
def lua_script() -> bytes:
    """Return the Lua script, with the lists that portal and edge share filled in."""
    script = Path(__file__).with_name(LUA_SCRIPT).read_text("ascii")
    for name, value in (
        ("PROTECTED_HEADERS", ",".join(PROTECTED_HEADERS)),
        ("PROTECTED_HEADER_PREFIXES", ",".join(PROTECTED_HEADER_PREFIXES)),
        ("MAX_HEADER_NAME_LENGTH", str(MAX_HEADER_NAME_LENGTH)),
    ):
        script = script.replace(f"@{name}@", value)
    return script.encode()


def places(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """Spread addresses over an origin's places."""
    if not addresses:
        return (NOWHERE,) * PLACES
    return tuple(addresses[index % len(addresses)] for index in range(PLACES))


def what_is_wrong(origin: Origin) -> str:
    """Say why an origin cannot be written into the configuration, "" when it can."""
    if not 0 < origin.port <= MAX_PORT:
        return EdgeError.ORIGIN_PORT.sentence()
    if origin.use_tls and not is_host(certificate_name(origin).lower()):
        return EdgeError.ORIGIN_NAME.sentence()
    try:
        word((origin.override_host or "").encode("ascii"))
    except (Unquotable, UnicodeEncodeError):
        return EdgeError.ORIGIN_OVERRIDE_HOST.sentence()
    return ""


def _global(frame: Frame) -> bytes:
    return f"""\
# Made by the edge's agent, and made anew when the route table changes.
global
    log unix@log.sock len 20000 format raw local0
    log ring@agent len 20000 format raw local0
    stats socket unix@{WORKER_SOCKET} mode 600 level admin
    # {hashlib.sha256(lua_script()).hexdigest()}
    lua-load-per-thread {LUA_SCRIPT}
    nbthread {frame.threads}
    maxconn {frame.most_connections + LAST_REFUSALS}
    hard-stop-after 7d
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-server-options ssl-min-ver TLSv1.2
    tune.bufsize {_MAX_LINE_BYTES}
    tune.maxrewrite 1024
    tune.http.maxhdr {frame.limits.head_lines + 1}
""".encode()


def _defaults(limits: Limits) -> bytes:
    times = {
        "http-request": limits.head_seconds,
        "connect": limits.connect_seconds / 2,  # for there is one retry
        "client": limits.quiet_seconds,
        "server": limits.response_seconds,
        "tunnel": limits.idle_seconds,
        "client-fin": limits.half_open_seconds,
        "server-fin": limits.half_open_seconds,
    }
    lines = [f"    timeout {name} {_ms(time)}" for name, time in times.items()]
    return (DEFAULTS + "\n".join(lines) + "\n").encode()


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _front(frame: Frame) -> bytes:
    host = f"[{frame.bind}]" if ":" in frame.bind else frame.bind
    common = f"backlog 4096 tcp-ut {UNACKNOWLEDGED_MS}ms proto h1"
    lines = ["frontend edge", f"    bind {host}:{frame.port} {common}"]
    if frame.tls_port:
        tls = "ssl crt-list certificates.list alpn http/1.1"
        strict = "" if frame.has_default_certificate else " strict-sni"
        lines += [
            f"    # certificates {frame.certificates}",
            f"    bind {host}:{frame.tls_port} {common} {tls}{strict}",
        ]
    of_address = frame.limits.handshakes_per_address * frame.threads
    rules = room(frame.most_connections, of_address)
    return ("\n".join(lines) + "\n" + rules).encode()


# A table changes for one service, and is written for all.
@lru_cache(maxsize=50_000)
def _backends(
    frame: Frame,
    service: str,
    origin: Origin | None,
    header_rules: tuple[HeaderRule, ...],
    addresses: tuple[Address, ...],
) -> bytes:
    if origin is None or what_is_wrong(origin):
        return b""
    rules = _rules(header_rules, origin)
    servers = _servers(frame, origin, addresses)
    return b"".join((
        f"backend {WEBSOCKET}{service}\n".encode(),
        f"    timeout server {_ms(frame.limits.head_seconds)}\n".encode(),
        rules, servers,
        f"backend {PLAIN}{service}\n".encode(), rules, servers,
    ))  # fmt: skip


def _rules(header_rules: tuple[HeaderRule, ...], origin: Origin) -> bytes:
    lines = []
    if origin.override_host:
        host = format_word(origin.override_host.encode("ascii"))
        lines.append(b"    http-request set-header Host " + host)
    for rule in prepare_rules(header_rules):
        name = word(rule.name)
        if rule.action == "delete":
            lines.append(b"    http-request del-header " + name)
        else:
            verb = b"set-header" if rule.action == "set" else b"add-header"
            value = format_word(rule.value)
            lines.append(b"    http-request " + b" ".join((verb, name, value)))
    return b"".join(line + b"\n" for line in lines)


def _servers(frame: Frame, origin: Origin, addresses: tuple[Address, ...]) -> bytes:
    # Not in `default-server`, which HAProxy 2.6 reads but does not go by.
    more = f" tcp-ut {UNACKNOWLEDGED_MS}ms".encode()
    if origin.use_tls:
        more += _tls(frame, origin)
    lines = []
    for number, address in enumerate(places(addresses), 1):
        there = f"ipv{address.version}@{address}:{origin.port}"
        lines.append(f"    server o{number} {there}".encode() + more + b"\n")
    return b"".join(lines)


def _tls(frame: Frame, origin: Origin) -> bytes:
    name = certificate_name(origin)
    trusted = word(frame.ca_file.encode()) if frame.ca_file else b"@system-ca"
    words = b" ssl verify required alpn http/1.1 ca-file " + trusted
    words += b" verifyhost " + word(name.encode("ascii"))
    if not is_address(name):
        words += b" sni " + word(f"str({name})".encode("ascii"))
    return words


def is_address(name: str) -> bool:
    """Whether a name is an IP address, without brackets."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
