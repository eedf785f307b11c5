"""Generates HAProxy's whole configuration from a route table.

Only the addresses of origins change without a reload, by `set server`, as long as a backend
has enough servers for them. Permissions are in maps.
"""

import hashlib
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import cycle, islice
from pathlib import Path

from products.edge.addresses import Address
from products.edge.contract import PLATFORM, HeaderRule, Origin, Route
from products.edge.errors import EdgeError
from products.edge.haproxy.maps import NOT_ON, is_host, is_service
from products.edge.headers import HOP_BY_HOP, MAX_HOPS, OVERWRITTEN, prepare_rules
from products.edge.settings import Limits
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

# How long an entry of t_conn outlives its connection, for an agent that was away. Each worker
# keeps at most so many entries; a full table drops the oldest.
EXPIRE_MS = 3_600_000
TABLE_ENTRIES = 400_000

# Connections above the limit that get an error response; more than these wait.
REJECTION_SLOTS = 64

_MAX_LINE_BYTES = 17_408  # a head of 16 KiB and what HAProxy keeps for rewriting
_LIVENESS = {option: value for _, option, value in LIVENESS_OPTIONS}
_KEEPALIVE_SECONDS = _LIVENESS[socket.TCP_KEEPIDLE]
_UNACKNOWLEDGED_MS = _LIVENESS[socket.TCP_USER_TIMEOUT]
_TEXT = 'content-type "text/plain; charset=utf-8"'
_PLAIN_TEXT = f"{_TEXT} hdr Cache-Control no-store hdr X-Content-Type-Options nosniff"
_UNQUOTED = re.compile(rb"[A-Za-z0-9._/:@,*+-]+")
_SERVER_ADDRESS = re.compile(rb"^(    server \w+) ipv\S+(?=:)", re.MULTILINE)
_LINE_BREAKERS = re.compile(rb"[\x00\r\n]")


class Unquotable(ValueError):
    """A value that cannot be in one line of the configuration."""


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """What the operator sets, in contrast to what the route table says."""

    bind: str
    port: int
    tls_port: int  # 0 for plain HTTP only
    threads: int
    max_connections: int
    ca_file: str  # "" for the operating system's public authorities
    limits: Limits
    certificates: str = ""  # a digest: it changes when a certificate does
    has_default_certificate: bool = False


def render(
    options: OperatorOptions,
    routes: Iterable[Route] | None,
    addresses: Mapping[str, tuple[Address, ...]],
) -> bytes:
    """Return the configuration; `routes` is None until the first table has arrived.

    `addresses` has an address for each server of a service, as `server_addresses` returns them. A
    service that is not in it has servers with an address that is never used. An origin that cannot
    be written gets no backend.
    """
    parts = [
        _global(options),
        _defaults(options.limits),
        _common_sections(options).encode(),
        _frontend(options),
    ]
    if routes is None:
        parts.append(b"    use_backend unready\n")
    else:
        parts.append(_FRONTEND_RULES.encode())
        parts += [
            _backends(
                options,
                route.service,
                route.origin,
                route.header_rules,
                addresses.get(route.service) or server_addresses(()),
            )
            for route in routes
            if is_service(route.service)
        ]
    configuration = b"\n".join(parts)
    digest = hashlib.sha256(_SERVER_ADDRESS.sub(rb"\1", configuration)).hexdigest()
    return f"global\n    description {digest}\n".encode() + configuration


def digest_of(configuration: bytes) -> str:
    """Return the digest of what needs a reload: all but the origins' addresses."""
    return configuration.split(maxsplit=3)[2].decode()


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


def _refuse(
    error: EdgeError, condition: str, fields: str = "", **values: object
) -> str:
    return (
        f"    http-request return status {error.status.value} {_PLAIN_TEXT} {fields}"
        f'lf-string "{error.sentence(**values)}\\n" {condition}\n'
    )


def _http_error(error: EdgeError) -> str:
    return (
        f"    http-error status {error.status.value} {_TEXT} hdr Cache-Control no-store"
        f' string "{error.sentence()}\\n"\n'
    )


def _global(options: OperatorOptions) -> bytes:
    return f"""\
# Generated by the edge's agent, and again when the route table changes.
global
    log unix@log.sock len 20000 format raw local0
    log ring@agent len 20000 format raw local0
    stats socket unix@{WORKER_SOCKET} mode 600 level admin
    # {hashlib.sha256(lua_script()).hexdigest()}
    lua-load-per-thread {LUA_SCRIPT}
    nbthread {options.threads}
    maxconn {options.max_connections + REJECTION_SLOTS}
    hard-stop-after 7d
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-server-options ssl-min-ver TLSv1.2
    tune.bufsize {_MAX_LINE_BYTES}
    tune.maxrewrite 1024
    tune.http.maxhdr {options.limits.head_lines + 1}
""".encode()


def _defaults(limits: Limits) -> bytes:
    times = {
        "http-request": limits.head_seconds,
        "connect": limits.connect_seconds / MIN_SERVERS,
        "client": limits.quiet_seconds,
        "server": limits.response_seconds,
        "tunnel": limits.idle_seconds,
        "client-fin": limits.half_open_seconds,
        "server-fin": limits.half_open_seconds,
    }
    errors = (
        EdgeError.NOT_HTTP,
        EdgeError.REQUEST_TIMEOUT,
        EdgeError.ORIGIN_NOT_HTTP,
        EdgeError.ORIGIN_UNREACHABLE_OR_UNTRUSTED,
        EdgeError.ORIGIN_TIMEOUT,
    )
    return f"""\
defaults
    mode http
    log global
    balance roundrobin
    http-reuse never
    retries {MIN_SERVERS - 1}
    option redispatch 1
    option contstats
    option httpclose
    option dontlognull
    option clitcpka
    option srvtcpka
    clitcpka-idle {_KEEPALIVE_SECONDS}s
    srvtcpka-idle {_KEEPALIVE_SECONDS}s
{"".join(map(_http_error, errors))}\
{"".join(f"    timeout {name} {_ms(time)}{chr(10)}" for name, time in times.items())}\
""".encode()


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _common_sections(options: OperatorOptions) -> str:
    """Return the stick tables, the backends without a service, and the ring.

    Entries of client addresses do not expire: otherwise HAProxy 2.6 looks through all that
    are in use each time it looks for old ones. A full table drops an unused entry.
    """
    # Twice what is needed.
    addresses = 2 * (options.max_connections + REJECTION_SLOTS)
    return f"""\
backend t_conn
    stick-table type string len 128 size {TABLE_ENTRIES} expire {EXPIRE_MS}ms store bytes_in_cnt,bytes_out_cnt,conn_cur
backend t_web
    stick-table type string len 64 size 100k expire 20d store bytes_in_cnt,bytes_out_cnt,gpc0
backend t_address
    stick-table type ipv6 size {addresses} store conn_cur
backend t_tunnels
    stick-table type ipv6 size {addresses} store conn_cur

backend unready
{_refuse(EdgeError.NO_ROUTE_TABLE, "")}\
backend no_origin
{_refuse(EdgeError.NO_ORIGIN, "")}\

ring agent
    description "lines for the agent, kept while it is away"
    format raw
    maxlen 20000
    size 16000000
    timeout connect 5s
    timeout server 10s
    server agent unix@log.stream log-proto octet-count
"""


def _frontend(options: OperatorOptions) -> bytes:
    host = f"[{options.bind}]" if ":" in options.bind else options.bind
    common = f"backlog 4096 tcp-ut {_UNACKNOWLEDGED_MS}ms proto h1"
    lines = ["frontend edge", f"    bind {host}:{options.port} {common}"]
    if options.tls_port:
        tls = "ssl crt-list certificates.list alpn http/1.1"
        strict = "" if options.has_default_certificate else " strict-sni"
        lines += [
            f"    # certificates {options.certificates}",
            f"    bind {host}:{options.tls_port} {common} {tls}{strict}",
        ]
    return ("\n".join(lines) + "\n" + _connection_limits(options)).encode()


def _connection_limits(options: OperatorOptions) -> str:
    """Return the rules that reject connections to a full edge and from one busy address.

    Tunnels do not count for their address. The first connections above a limit get an error
    response, further ones of an address are closed.
    """
    per_address = options.limits.handshakes_per_address * options.threads
    is_above = "{ sc2_conn_cur,sub(sess.tunnels) gt %d }"
    look_up = "set-var(sess.tunnels) src_conn_cur(t_tunnels)"
    return (
        "    tcp-request connection track-sc2 src table t_address\n"
        f"    tcp-request connection {look_up}\n"
        "    tcp-request connection reject if "
        f"{is_above % (per_address + REJECTION_SLOTS)}\n"
        f"    http-request {look_up}\n"
        + _refuse(
            EdgeError.CONNECTION_LIMIT, f"if {{ fe_conn gt {options.max_connections} }}"
        )
        + _refuse(EdgeError.ADDRESS_LIMIT, f"if {is_above % per_address}")
    )


def _lookalikes() -> str:
    """Return a pattern of the names that differ from a protected one by underscores."""
    any_spelling = [name.replace("-", "[-_]") for name in PROTECTED_HEADERS]
    any_spelling += [
        prefix.replace("-", "[-_]") + "[^,]*" for prefix in PROTECTED_HEADER_PREFIXES
    ]
    return "(?=[^,]*_)(" + "|".join(any_spelling) + ")"


_CHECK_REQUEST = (
    _refuse(EdgeError.HOST_COUNT, "unless { req.fhdr_cnt(host) eq 1 }")
    + _refuse(EdgeError.HOST_INVALID,
              r"unless { req.fhdr(host) -m reg "
              rf"'^([A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_HOST_LENGTH - 1}}}|\[[0-9A-Fa-f:.]{{2,45}}\])(:0*([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|65[0-4][0-9]{{2}}|655[0-2][0-9]|6553[0-5]))?$' }}")
    + _refuse(EdgeError.TRANSFER_CODING, "if { req.fhdr_cnt(transfer-encoding) gt 0 } !{ req.ver 1.1 }")
    + _refuse(EdgeError.CONTROL_CHARACTER, r"if { req.hdrs -m reg '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]' }")
    + _refuse(EdgeError.TARGET_USER, "if { url -m reg '^[^/]*//[^/]*@' }")
    + "    http-request set-uri %[pathq] if { url -m reg -i '^https?://' }\n"
    + _refuse(EdgeError.TARGET_INVALID, "unless { url_beg / } or { url -m str * } { method OPTIONS }")
    + _refuse(EdgeError.METHOD_NOT_SUPPORTED, "if { method CONNECT TRACE }")
    + _refuse(EdgeError.PROTECTED_LOOKALIKE, f"if {{ req.hdr_names -m reg '(^|,)({_lookalikes()})(,|$)' }}")
)  # fmt: skip

_CHECK_HANDSHAKE = (
    _refuse(EdgeError.HANDSHAKE_METHOD, "if ws !{ method GET } or ws !{ req.ver 1.1 }")
    + _refuse(EdgeError.HANDSHAKE_CONNECTION, "if ws !{ req.hdr(connection) -i upgrade }")
    # HAProxy removes Upgrade from a request that has a body.
    + _refuse(EdgeError.HANDSHAKE_BODY,
              "if { req.fhdr_cnt(sec-websocket-key) gt 0 } { req.fhdr_cnt(transfer-encoding) gt 0 } or"
              " { req.fhdr_cnt(sec-websocket-key) gt 0 } { req.fhdr_cnt(content-length) gt 0 }"
              " !{ req.fhdr(content-length) -m str 0 }")
    + _refuse(EdgeError.HANDSHAKE_VERSION, "if ws !{ req.fhdr_cnt(sec-websocket-version) eq 1 } or"
              " ws !{ req.fhdr(sec-websocket-version) -m str 13 }",
              "hdr Sec-WebSocket-Version 13 hdr Upgrade websocket ")
    + _refuse(EdgeError.HANDSHAKE_KEY, "if ws !{ req.fhdr_cnt(sec-websocket-key) eq 1 } or"
              " ws !{ req.fhdr(sec-websocket-key) -m reg '^[A-Za-z0-9+/]{22}==$' }")
)  # fmt: skip

# HAProxy itself writes the fields that frame a message; the rules below set Connection and Upgrade.
_REWRITTEN = {"connection", "upgrade", "host", "content-length", "transfer-encoding"}
_HOP_BY_HOP = "|".join(
    name.replace("-", "[-_]")
    for name in sorted({name.decode() for name in HOP_BY_HOP} - _REWRITTEN)
)
_OVERWRITTEN = "|".join(
    name.decode().replace("-", "[-_]") for name in sorted(OVERWRITTEN)
)

_NOT_HTTP = EdgeError.ORIGIN_NOT_HTTP.sentence()
_IS_101 = "if { status 101 }"
_IS_ALLOWED = "{ var(txn.ws) -m str on }"
_IS_FULL = "{ var(txn.svc),map_str(full.map) -m found }"
_REFUSAL = '"%[var(txn.ws),b64dec]\\n"'


_FRONTEND_RULES = f"""\
    unique-id-format %[uuid]
    log-format '{{"ev":"end","id":"%ID","svc":"%[var(txn.svc)]","kind":"%[var(txn.kind)]","at":"%[var(txn.at)]","td":"%Td","up":%U,"down":%B,"pid":%pid}}'
    http-request set-var(txn.uid) unique-id
    acl ws req.hdr(upgrade) -i websocket
{_CHECK_REQUEST}\
    # Find the service.
    http-request set-var(txn.host) 'req.fhdr(host),host_only,lower,regsub("\\.$",)'
    http-request set-var(txn.svc) var(txn.host),map_str(hosts.map)
    http-request set-var(txn.svc) var(txn.host),lua.reversed,map_beg(wild.map) if !{{ var(txn.svc) -m found }}
{_refuse(EdgeError.HOST_UNKNOWN, "unless { var(txn.svc) -m found }", host="%[var(txn.host)]")}\
    http-request set-var(txn.sni) 'ssl_fc_sni,lower,regsub("\\.$",)' if {{ ssl_fc_has_sni }}
{_refuse(EdgeError.MISDIRECTED, "if { var(txn.sni) -m found } !{ var(txn.sni),strcmp(txn.host) eq 0 }")}\
    http-request set-var(txn.loop) 'str("{PLATFORM};service="),concat(,txn.svc,)'
{_refuse(EdgeError.LOOP, f"if {{ req.hdr(cdn-loop),strcmp(txn.loop) eq 0 }} or {{ req.hdr_cnt(cdn-loop) ge {MAX_HOPS} }}")}\
    http-request set-var(txn.fields) var(txn.svc),map_str(fields.map)
    http-request lua.capture
    # Check that it may upgrade.
{_CHECK_HANDSHAKE}\
    http-request set-var(txn.ws) var(txn.svc),map_str(ws.map,{NOT_ON}) if ws
    http-request lua.log refused if ws !{_IS_ALLOWED}
    http-request return status 403 {_PLAIN_TEXT} lf-string {_REFUSAL} if ws !{_IS_ALLOWED}
{_refuse(EdgeError.USAGE_NOT_RECORDED, "if ws !{ str(upgrades),map_str(edge.map) -m str on }")}\
    http-request lua.log {ACCOUNT_FULL} if ws {_IS_FULL}
{_refuse(EdgeError.ACCOUNT_LIMIT, f"if ws {_IS_FULL}")}\
    http-request set-var(txn.origin) var(txn.svc),map_str(origin.map)
{_refuse(EdgeError.NO_ORIGIN, "if { var(txn.origin) -m str none }")}\
    http-request return status 502 {_PLAIN_TEXT} lf-string "%[var(txn.origin),b64dec]\\n" if !{{ var(txn.origin) -m str on }}
    # Set what the origin gets, except what the service's own rules set.
    http-request set-var(txn.is) str(ws) if ws
    http-request del-header Connection
    http-request del-header Upgrade
    http-request set-header Upgrade websocket if {{ var(txn.is) -m str ws }}
    http-request set-header Connection Upgrade if {{ var(txn.is) -m str ws }}
    http-request del-header '(?i)^({_HOP_BY_HOP}|{_OVERWRITTEN})$' -m reg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.fhdr(host)]
    http-request add-header CDN-Loop %[var(txn.loop)]
    http-request lua.log request if !{{ var(txn.is) -m str ws }}
    # Open a tunnel only for a WebSocket's 101, and only if it is still permitted.
    http-response return status 502 {_TEXT} string "{_NOT_HTTP}\\n" {_IS_101} !{{ var(txn.is) -m str ws }}
    http-response return status 502 {_TEXT} string "{_NOT_HTTP}\\n" {_IS_101} !{{ res.hdr(upgrade) -i websocket }}
    http-response set-var(txn.ws) var(txn.svc),map_str(ws.map,{NOT_ON}) {_IS_101}
    http-response lua.log refused {_IS_101} !{_IS_ALLOWED}
    http-response return status 403 {_PLAIN_TEXT} lf-string {_REFUSAL} {_IS_101} !{_IS_ALLOWED}
    http-response lua.drop_nominated unless {{ status 101 }}
    http-response del-header '(?i)^(connection|upgrade|{_HOP_BY_HOP})$' -m reg unless {{ status 101 }}
    # RFC 9110, 15.5.22: a 426 names a protocol. The edge offers this one, whatever the origin does.
    http-response set-header Upgrade websocket if {{ status 426 }}
    http-response set-header Connection Upgrade if {{ status 426 }}
    http-response set-var(txn.at) date(0,ms)
    http-response set-var(txn.kind) str(web) unless {{ status 101 }}
    http-response set-var(txn.kind) str(ws) {_IS_101}
    http-response set-var(txn.key) var(txn.svc),concat(|,txn.uid,),concat(|,txn.at,) {_IS_101}
    http-response track-sc0 var(txn.key) table t_conn {_IS_101}
    http-response track-sc1 src table t_tunnels {_IS_101}
    http-response track-sc1 var(txn.svc) table t_web unless {{ status 101 }}
    http-response sc-inc-gpc0(1) unless {{ status 101 }}
    http-response lua.log accept {_IS_101}
    default_backend no_origin
    use_backend ws_%[var(txn.svc)] if {{ var(txn.is) -m str ws }}
    use_backend web_%[var(txn.svc)] if !{{ var(txn.is) -m str ws }}
"""


# A table changes for one service, and is written for all.
@lru_cache(maxsize=50_000)
def _backends(
    options: OperatorOptions,
    service: str,
    origin: Origin | None,
    header_rules: tuple[HeaderRule, ...],
    addresses: tuple[Address, ...],
) -> bytes:
    if origin is None or origin_problem(origin):
        return b""
    rest = (
        _attempts(options.limits, len(addresses)),
        _header_rules(header_rules, origin),
        _servers(options, origin, addresses),
    )
    return b"".join((
        f"backend {WEBSOCKET}{service}\n".encode(),
        f"    timeout server {_ms(options.limits.head_seconds)}\n".encode(),
        _service_limit(options.limits.tunnels_per_service), *rest,
        f"backend {PLAIN}{service}\n".encode(), *rest,
    ))  # fmt: skip


def _service_limit(most: int) -> bytes:
    """Reject handshakes above a service's limit; the one in question is counted already."""
    is_above = f"if {{ be_conn gt {most} }}"
    return (
        f"    http-request lua.log {SERVICE_FULL} {is_above}\n"
        + _refuse(EdgeError.SERVICE_LIMIT, is_above)
    ).encode()


def _attempts(limits: Limits, servers: int) -> bytes:
    """Let a request try every server of a backend, in the time for one connection."""
    if servers == MIN_SERVERS:
        return b""  # as in the defaults
    seconds = limits.connect_seconds / servers
    return f"    retries {servers - 1}\n    timeout connect {_ms(seconds)}\n".encode()


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


def _servers(
    options: OperatorOptions, origin: Origin, addresses: tuple[Address, ...]
) -> bytes:
    # Not in `default-server`: HAProxy 2.6 reads it there but does not apply it.
    parameters = f" tcp-ut {_UNACKNOWLEDGED_MS}ms".encode()
    if origin.use_tls:
        parameters += _tls_parameters(options, origin)
    lines = []
    for number, address in enumerate(addresses, 1):
        endpoint = f"ipv{address.version}@{address}:{origin.port}"
        lines.append(f"    server o{number} {endpoint}".encode() + parameters + b"\n")
    return b"".join(lines)


def _checked_name(origin: Origin) -> str:
    return certificate_name(origin.address, origin.override_host)


def _tls_parameters(options: OperatorOptions, origin: Origin) -> bytes:
    name = _checked_name(origin)
    trusted = quote(options.ca_file.encode()) if options.ca_file else b"@system-ca"
    words = b" ssl verify required alpn http/1.1 ca-file " + trusted
    words += b" verifyhost " + quote(name.encode("ascii"))
    if not is_ip(name):
        words += b" sni " + quote(f"str({name})".encode("ascii"))
    return words
