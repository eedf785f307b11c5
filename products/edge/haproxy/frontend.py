"""The part of the configuration that is the same on every edge: limits, gate, lines."""

import socket

from products.edge.contract import PLATFORM
from products.edge.errors import EdgeError
from products.edge.haproxy.maps import NOT_ON
from products.edge.headers import HOP_BY_HOP, MAX_HOPS, OVERWRITTEN
from products.edge.origin_names import LIVENESS_OPTIONS
from products.protocol import MAX_HOST_LENGTH

_LIVENESS = {option: value for _, option, value in LIVENESS_OPTIONS}
KEEPALIVE_SECONDS = _LIVENESS[socket.TCP_KEEPIDLE]
UNACKNOWLEDGED_MS = _LIVENESS[socket.TCP_USER_TIMEOUT]
_TEXT = 'content-type "text/plain; charset=utf-8"'
_PLAIN_ANSWER = f"{_TEXT} hdr Cache-Control no-store hdr X-Content-Type-Options nosniff"


def refuse(error: EdgeError, condition: str, more: str = "", **values: object) -> str:
    """Write the rule that sends an error response, under a condition."""
    return (
        f"    http-request return status {error.status.value} {_PLAIN_ANSWER} {more}"
        f'lf-string "{error.sentence(**values)}\\n" {condition}\n'
    )


def _error(error: EdgeError) -> str:
    return (
        f"    http-error status {error.status.value} {_TEXT} hdr Cache-Control no-store"
        f' string "{error.sentence()}\\n"\n'
    )


DEFAULTS = f"""\
defaults
    mode http
    log global
    balance roundrobin
    http-reuse never
    retries 1
    option redispatch 1
    option contstats
    option httpclose
    option dontlognull
    option clitcpka
    option srvtcpka
    clitcpka-idle {KEEPALIVE_SECONDS}s
    srvtcpka-idle {KEEPALIVE_SECONDS}s
{_error(EdgeError.NOT_HTTP)}\
{_error(EdgeError.REQUEST_TIMEOUT)}\
{_error(EdgeError.ORIGIN_NOT_HTTP)}\
{_error(EdgeError.ORIGIN_UNREACHABLE_OR_UNTRUSTED)}\
{_error(EdgeError.ORIGIN_TIMEOUT)}\
"""

# Of t_conn: an entry outlives its connection for so long, for an agent that was away, and
# so many there are at the most, of each worker. A full table gives up the oldest.
EXPIRE_MS = 3_600_000
TABLE_ENTRIES = 400_000

# Connections above the most, to say so with; others wait to be accepted.
LAST_REFUSALS = 64


def meters(addresses: int) -> str:
    """Write the tables that count, with room for so many client addresses at once.

    Those of addresses do not expire: HAProxy 2.6 looks at every entry in use again each time
    it looks for old ones. A full table gives up what nobody uses.
    """
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
{refuse(EdgeError.NO_ROUTE_TABLE, "")}\
backend no_origin
{refuse(EdgeError.NO_ORIGIN, "")}\

ring agent
    description "lines for the agent, kept while it is away"
    format raw
    maxlen 20000
    size 16000000
    timeout connect 5s
    timeout server 10s
    server agent unix@log.stream log-proto octet-count
"""


_BAD = (
    refuse(EdgeError.HOST_COUNT, "unless { req.fhdr_cnt(host) eq 1 }")
    + refuse(EdgeError.HOST_INVALID,
              r"unless { req.fhdr(host) -m reg "
              rf"'^([A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_HOST_LENGTH - 1}}}|\[[0-9A-Fa-f:.]{{2,45}}\])(:0*([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}|6[0-4][0-9]{{3}}|65[0-4][0-9]{{2}}|655[0-2][0-9]|6553[0-5]))?$' }}")
    + refuse(EdgeError.TRANSFER_CODING, "if { req.fhdr_cnt(transfer-encoding) gt 0 } !{ req.ver 1.1 }")
    + refuse(EdgeError.CONTROL_CHARACTER, r"if { req.hdrs -m reg '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]' }")
    + refuse(EdgeError.TARGET_USER, "if { url -m reg '^[^/]*//[^/]*@' }")
    + "    http-request set-uri %[pathq] if { url -m reg -i '^https?://' }\n"
    + refuse(EdgeError.TARGET_INVALID, "unless { url_beg / } or { url -m str * } { method OPTIONS }")
    + refuse(EdgeError.METHOD_NOT_SUPPORTED, "if { method CONNECT TRACE }")
    + refuse(EdgeError.FRAMING_LOOKALIKE, "if { req.fhdr_cnt(content_length) gt 0 } or { req.fhdr_cnt(transfer_encoding) gt 0 }")
)  # fmt: skip

_HANDSHAKE = (
    refuse(EdgeError.HANDSHAKE_METHOD, "if ws !{ method GET } or ws !{ req.ver 1.1 }")
    + refuse(EdgeError.HANDSHAKE_CONNECTION, "if ws !{ req.hdr(connection) -i upgrade }")
    # HAProxy removes Upgrade from a request that has a body.
    + refuse(EdgeError.HANDSHAKE_BODY,
              "if { req.fhdr_cnt(sec-websocket-key) gt 0 } { req.fhdr_cnt(transfer-encoding) gt 0 } or"
              " { req.fhdr_cnt(sec-websocket-key) gt 0 } { req.fhdr_cnt(content-length) gt 0 }"
              " !{ req.fhdr(content-length) -m str 0 }")
    + refuse(EdgeError.HANDSHAKE_VERSION, "if ws !{ req.fhdr_cnt(sec-websocket-version) eq 1 } or"
              " ws !{ req.fhdr(sec-websocket-version) -m str 13 }",
              "hdr Sec-WebSocket-Version 13 hdr Upgrade websocket ")
    + refuse(EdgeError.HANDSHAKE_KEY, "if ws !{ req.fhdr_cnt(sec-websocket-key) eq 1 } or"
              " ws !{ req.fhdr(sec-websocket-key) -m reg '^[A-Za-z0-9+/]{22}==$' }")
)  # fmt: skip

# HAProxy itself writes the fields that frame a message; the rules below set Connection and Upgrade.
_WRITTEN_ANEW = {"connection", "upgrade", "host", "content-length", "transfer-encoding"}
_REMOVED = "|".join([
    *sorted({name.decode() for name in HOP_BY_HOP} - _WRITTEN_ANEW),
    *(name.decode().replace("-", "[-_]") for name in sorted(OVERWRITTEN)),
])  # fmt: skip

_NOT_HTTP = EdgeError.ORIGIN_NOT_HTTP.sentence()
_SWITCH = "if { status 101 }"
_UNENTITLED = "{ var(txn.ws) -m str on }"
_REFUSAL = '"%[var(txn.ws),b64dec]\\n"'


def room(most: int, most_of_address: int) -> str:
    """Write the rules that turn newcomers away from a full edge, and crowds of one address.

    Tunnels do not count for their address. Who comes on top is told so, as far as there
    is room for it.
    """
    of_address = "{ sc2_conn_cur,sub(sess.tunnels) gt %d }"
    look = "set-var(sess.tunnels) src_conn_cur(t_tunnels)"
    return (
        "    tcp-request connection track-sc2 src table t_address\n"
        f"    tcp-request connection {look}\n"
        "    tcp-request connection reject if "
        f"{of_address % (most_of_address + LAST_REFUSALS)}\n"
        f"    http-request {look}\n"
        + refuse(EdgeError.CONNECTION_LIMIT, f"if {{ fe_conn gt {most} }}")
        + refuse(
            EdgeError.ADDRESS_LIMIT,
            f"if {of_address % most_of_address}",
        )
    )


FRONTEND = f"""\
    unique-id-format %[uuid]
    log-format '{{"ev":"end","id":"%ID","svc":"%[var(txn.svc)]","kind":"%[var(txn.kind)]","at":"%[var(txn.at)]","td":"%Td","up":%U,"down":%B,"pid":%pid}}'
    http-request set-var(txn.uid) unique-id
    acl ws req.hdr(upgrade) -i websocket
{_BAD}\
    # which service?
    http-request set-var(txn.host) 'req.fhdr(host),host_only,lower,regsub("\\.$",)'
    http-request set-var(txn.svc) var(txn.host),map_str(hosts.map)
    http-request set-var(txn.svc) var(txn.host),map_end(wild.map) if !{{ var(txn.svc) -m found }}
{refuse(EdgeError.HOST_UNKNOWN, "unless { var(txn.svc) -m found }", host="%[var(txn.host)]")}\
    http-request set-var(txn.loop) 'str("{PLATFORM};service="),concat(,txn.svc,)'
{refuse(EdgeError.LOOP, f"if {{ req.hdr(cdn-loop),strcmp(txn.loop) eq 0 }} or {{ req.hdr_cnt(cdn-loop) ge {MAX_HOPS} }}")}\
    http-request set-var(txn.fields) var(txn.svc),map_str(fields.map)
    http-request lua.note
    # may it upgrade?
{_HANDSHAKE}\
    http-request set-var(txn.ws) var(txn.svc),map_str(ws.map,{NOT_ON}) if ws
    http-request lua.say refused if ws !{_UNENTITLED}
    http-request return status 403 {_PLAIN_ANSWER} lf-string {_REFUSAL} if ws !{_UNENTITLED}
{refuse(EdgeError.USAGE_NOT_RECORDED, "if ws !{ str(upgrades),map_str(edge.map) -m str on }")}\
    http-request set-var(txn.origin) var(txn.svc),map_str(origin.map)
{refuse(EdgeError.NO_ORIGIN, "if { var(txn.origin) -m str none }")}\
    http-request return status 502 {_PLAIN_ANSWER} lf-string "%[var(txn.origin),b64dec]\\n" if !{{ var(txn.origin) -m str on }}
    # what the origin gets to see, but for the service's own rules
    http-request set-var(txn.is) str(ws) if ws
    http-request del-header Connection
    http-request del-header Upgrade
    http-request set-header Upgrade websocket if {{ var(txn.is) -m str ws }}
    http-request set-header Connection Upgrade if {{ var(txn.is) -m str ws }}
    http-request del-header '(?i)^({_REMOVED})$' -m reg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.fhdr(host)]
    http-request add-header CDN-Loop %[var(txn.loop)]
    http-request lua.say request if !{{ var(txn.is) -m str ws }}
    # only a 101 that is a WebSocket's opens a tunnel, and only while it may
    http-response return status 502 {_TEXT} string "{_NOT_HTTP}\\n" {_SWITCH} !{{ var(txn.is) -m str ws }}
    http-response return status 502 {_TEXT} string "{_NOT_HTTP}\\n" {_SWITCH} !{{ res.hdr(upgrade) -i websocket }}
    http-response set-var(txn.ws) var(txn.svc),map_str(ws.map,{NOT_ON}) {_SWITCH}
    http-response lua.say refused {_SWITCH} !{_UNENTITLED}
    http-response return status 403 {_PLAIN_ANSWER} lf-string {_REFUSAL} {_SWITCH} !{_UNENTITLED}
    http-response set-var(txn.at) date(0,ms)
    http-response set-var(txn.kind) str(web) unless {{ status 101 }}
    http-response set-var(txn.kind) str(ws) {_SWITCH}
    http-response set-var(txn.key) var(txn.svc),concat(|,txn.uid,),concat(|,txn.at,) {_SWITCH}
    http-response track-sc0 var(txn.key) table t_conn {_SWITCH}
    http-response track-sc1 src table t_tunnels {_SWITCH}
    http-response track-sc1 var(txn.svc) table t_web unless {{ status 101 }}
    http-response sc-inc-gpc0(1) unless {{ status 101 }}
    http-response lua.say accept {_SWITCH}
    default_backend no_origin
    use_backend ws_%[var(txn.svc)] if {{ var(txn.is) -m str ws }}
    use_backend web_%[var(txn.svc)] if !{{ var(txn.is) -m str ws }}
"""
