"""What passes between portal and edge: the route table in, usage reports out."""

import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

ROUTES_PATH = "/api/edge/v1/routes"
USAGE_PATH = "/api/edge/v1/usage"
FORMAT = 1
PLATFORM = "tollgate"  # in the CDN-Loop of every request that an edge carries
MAX_USAGE_RECORDS = 5_000  # in one POST; the portal answers 413 above it

Read = TypeVar("Read")


class ContractError(ValueError):
    """A document is not of the agreed form; the message names the place."""


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """What becomes of one header field of the request on its way to the origin (R11)."""

    action: Literal["set", "append", "delete"]
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a service's connections go: the four host settings that are honoured (R8)."""

    name: str
    address: str
    port: int
    use_tls: bool
    override_host: str | None


@dataclass(frozen=True, slots=True)
class RouteLogEndpoint:
    """Where the customer's log line goes: an https URL, or host:port for syslog."""

    kind: Literal["https", "syslog"]
    name: str
    address: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One live service: its hosts, whether it may carry WebSockets, and to where.

    `refusal` is the sentence a refused client reads, "" when `websockets` is true.
    `month` is the account's billing month ("2026-11"), which ends at the instant
    `month_ends_at` (ISO 8601, UTC). `open_connections` says what becomes of open
    tunnels once `websockets` is false; "drain" lets them live until `drain_until`.
    """

    service: str
    account: str
    hosts: tuple[str, ...]
    websockets: bool
    refusal: str
    origin: Origin | None
    header_rules: tuple[HeaderRule, ...]
    log_endpoints: tuple[RouteLogEndpoint, ...]
    month: str
    month_ends_at: str
    open_connections: Literal["keep", "drain", "cut"] = "keep"
    drain_until: str = ""


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Everything an edge must know; a later table has a higher generation."""

    generation: int
    routes: tuple[Route, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the table as plain values, with the version of the format."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, document: object) -> "RouteTable":
        """Read a table strictly. Raises ContractError on anything unexpected."""
        if not isinstance(document, dict):
            raise ContractError("table: not an object")
        if document.get("format") != FORMAT or isinstance(document["format"], bool):
            raise ContractError(f"table: format is not {FORMAT}")
        rest = {name: value for name, value in document.items() if name != "format"}
        table = read(cls, rest, "table")
        _refuse_ambiguity(table)
        return table


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One connection in one month: cumulative, so the largest report is the truth.

    `duration_us` counts microseconds since the connection began; the bytes are those
    of `month` on the client's side, heads of the handshake included.
    """

    id: str
    service: str
    month: str
    started_at: str
    duration_us: int
    bytes_from_client: int
    bytes_to_client: int
    final: bool


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """Ordinary HTTP of one service in one hour, cumulative since the edge's boot."""

    service: str
    hour: str
    requests: int
    bytes_from_client: int
    bytes_to_client: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """A batch of cumulative counters; sending it twice changes nothing."""

    edge: str
    boot: str
    sent_at: str
    connections: tuple[ConnectionRecord, ...] = ()
    delivery: tuple[DeliveryRecord, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the report as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: object) -> "UsageReport":
        """Read a report strictly. Raises ContractError on anything unexpected."""
        return read(cls, document, "report")


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record the portal could not take, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """What the portal made of a report; `ingest_epoch` changes when it was restored."""

    accepted: int
    unchanged: int
    conflicts: tuple[RejectedRecord, ...]
    ingest_epoch: str

    def to_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: object) -> "UsageAnswer":
        """Read an answer strictly. Raises ContractError on anything unexpected."""
        return read(cls, document, "answer")


def parse_json(text: bytes) -> object:
    """Decode JSON without NaN, Infinity or repeated names. Raises ContractError."""
    try:
        return json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise ContractError(f"not JSON: {error}") from error


def read(kind: type[Read], value: object, place: str) -> Read:
    """Read a dataclass from plain values, exactly as its annotations say.

    Fields with a default may be absent; unknown fields are refused, and so are
    negative numbers, for nothing in the contract can be negative. Raises ContractError.
    """
    if not isinstance(value, Mapping):
        raise ContractError(f"{place}: not an object")
    hints, required = _shape(kind)  # type: ignore[arg-type] # a type is hashable
    if unknown := value.keys() - hints.keys():
        raise ContractError(f"{place}: unknown {', '.join(sorted(map(str, unknown)))}")
    if missing := required - value.keys():
        raise ContractError(f"{place}: lacks {', '.join(sorted(missing))}")
    given = {
        name: _value(hints[name], value[name], f"{place}.{name}") for name in value
    }
    return kind(**given)


@functools.cache
def _shape(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    return get_type_hints(kind), frozenset(required)


def _value(hint: Any, value: object, place: str) -> object:
    if hint in (str, int, bool, float):
        return _plain(hint, value, place)
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ContractError(f"{place}: not a list")
        inner = get_args(hint)[0]
        return tuple(
            _value(inner, item, f"{place}[{index}]") for index, item in enumerate(value)
        )
    if origin is Literal:
        if not isinstance(value, str) or value not in get_args(hint):
            raise ContractError(f"{place}: not one of {', '.join(get_args(hint))}")
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _value(get_args(hint)[0], value, place)
    return read(hint, value, place)


def _plain(kind: type, value: object, place: str) -> object:
    if type(value) is not kind:  # a bool is an int to isinstance, not here
        raise ContractError(f"{place}: not of type {kind.__name__}")
    if isinstance(value, (int, float)) and not value >= 0:
        raise ContractError(f"{place}: negative")
    return value


def _refuse_ambiguity(table: RouteTable) -> None:
    hosts: set[str] = set()
    services: set[str] = set()
    for route in table.routes:
        if route.service in services:
            raise ContractError(f"table: service {route.service} appears twice")
        services.add(route.service)
        for host in route.hosts:
            if host in hosts or host != host.lower():
                raise ContractError(f"table: host {host} twice or not in lower case")
            hosts.add(host)


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ContractError("not JSON: a name appears twice in one object")
    return document


def _no_constant(name: str) -> object:
    raise ContractError(f"not JSON: {name}")
