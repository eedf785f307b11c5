"""Header fields on the way to the origin and back: rules, forwarding, hop-by-hop fields."""

import functools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from products.edge.contract import PLATFORM, HeaderRule
from products.edge.errors import EdgeError, ErrorResponse
from products.protocol import is_field_value, is_protected_header, is_token

log = logging.getLogger(__name__)

Fields: TypeAlias = list[tuple[bytes, bytes]]
NamedFields: TypeAlias = dict[bytes, list[bytes]]  # values by name in lower case

# Names are compared with - for _, because many servers read X_Name as X-Name.

# What says where a request comes from. The edge writes the first three itself and drops
# what the client sent, so that they cannot be forged.
OVERWRITTEN = frozenset({
    b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port",
    b"forwarded", b"x-real-ip", b"true-client-ip",
})  # fmt: skip
# Fields of this hop only (RFC 9110, 7.6.1), whether Connection names them or not.
HOP_BY_HOP = frozenset({
    b"connection", b"upgrade", b"keep-alive", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"content-length", b"host", b"http2-settings",
    b"proxy-authenticate", b"proxy-authorization",
})  # fmt: skip
_DROPPED = OVERWRITTEN | HOP_BY_HOP

MAX_HOPS = 8  # networks and services in a row; chains on purpose are shorter


@dataclass(slots=True)
class RequestHead:
    """A well-formed request head. Field names keep their spelling."""

    method: bytes
    target: bytes  # in origin form, or "*"
    is_http11: bool
    fields: Fields
    host: str  # lower case, without port and trailing dot
    host_field: bytes  # as the client wrote it
    body_bytes: int | None  # None if the body is chunked
    connection: frozenset[bytes]  # options of Connection, in lower case
    upgrade: frozenset[bytes]  # requested protocols, in lower case
    named: NamedFields  # the fields' values by their names


class PreparedRule(NamedTuple):
    """A header rule as it is applied to a request."""

    action: str
    name: bytes
    compared: bytes
    value: bytes


def comparable(name: bytes) -> bytes:
    """Return a field's name as it is compared."""
    return name.lower().replace(b"_", b"-")


@functools.lru_cache(maxsize=1024)
def is_protected(name: bytes) -> bool:
    """Tell whether rules must not change a field."""
    return is_protected_header(name.decode("latin-1"))


def prepare_rules(rules: Iterable[HeaderRule]) -> tuple[PreparedRule, ...]:
    """Prepare rules for use; unsafe ones are logged and left out.

    The portal refuses such rules. The check here keeps one of them from reaching an origin
    or from breaking HAProxy's configuration.
    """
    prepared = []
    for rule in rules:
        if (
            not is_token(rule.name)
            or not is_field_value(rule.value)
            or is_protected_header(rule.name)
        ):
            log.warning("A header rule is ignored: %r", rule.name)
            continue
        name, value = rule.name.encode("ascii"), rule.value.encode("latin-1")
        prepared.append(
            PreparedRule(rule.action, name, comparable(name), value.strip(b" \t"))
        )
    return tuple(prepared)


def request_fields(
    head: RequestHead, *, client: str, scheme: str, rules: tuple[PreparedRule, ...]
) -> Fields:
    """Return the fields for the origin, without Host and hop-by-hop fields."""
    fields = [field for field in head.fields if comparable(field[0]) not in _DROPPED]
    nominated = {comparable(one) for one in head.connection if not is_protected(one)}
    if nominated:
        fields = [field for field in fields if comparable(field[0]) not in nominated]
    fields += (
        (b"X-Forwarded-For", client.encode("ascii")),
        (b"X-Forwarded-Proto", scheme.encode("ascii")),
        (b"X-Forwarded-Host", head.host_field),
    )
    return _apply(rules, fields) if rules else fields


def request_bytes(
    head: RequestHead, fields: Fields, *, host: bytes, hop: Fields
) -> bytes:
    """Write the head for the origin; `hop` are the hop-by-hop fields of the new connection."""
    first = b"%s %s HTTP/1.1\r\nHost: %s" % (head.method, head.target, host)
    return b"\r\n".join([first, *map(b": ".join, [*fields, *hop]), b"\r\n"])


def loop_field(service: str) -> tuple[bytes, bytes]:
    """Return the field that says a request has passed a service of this platform.

    It is protected. Source: RFC 8586, section 2.
    """
    return b"CDN-Loop", f"{PLATFORM};service={service}".encode("ascii", "replace")


def require_no_loop(head: RequestHead, loop: tuple[bytes, bytes]) -> None:
    """Reject a request that has passed this service, or too many. Raises ErrorResponse."""
    passed = b",".join(head.named.get(b"cdn-loop", ())).replace(b" ", b"").split(b",")
    if loop[1] in passed or len(passed) >= MAX_HOPS:
        raise ErrorResponse(EdgeError.LOOP)


def response_fields(fields: Fields, nominated: frozenset[bytes]) -> Fields:
    """Return a response's fields without the hop-by-hop fields of the origin."""
    dropped = HOP_BY_HOP | {comparable(name) for name in nominated}
    return [field for field in fields if comparable(field[0]) not in dropped]


def _apply(rules: tuple[PreparedRule, ...], fields: Fields) -> Fields:
    for rule in rules:
        if rule.action != "append":
            fields = [one for one in fields if comparable(one[0]) != rule.compared]
        if rule.action != "delete":
            fields.append((rule.name, rule.value))
    return fields
