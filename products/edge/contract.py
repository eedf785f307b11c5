"""What passes between portal and edge: the route table in; usage reports and status out.

Both sides read and write these structs. Reading is strict: types are exact, numbers have
bounds, and unknown fields and repeated names are refused. A ContractError names the place.
"""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from msgspec import Meta

from products.edge.errors import EdgeError
from products.protocol import API_PATH

ROUTES_PATH = f"{API_PATH}edge/v1/routes"
USAGE_PATH = f"{API_PATH}edge/v1/usage"
CREDENTIAL_PATH = f"{API_PATH}edge/v1/credential"
STATUS_HEADER = "X-Edge-Status"
RENEWAL_HEADER = "X-Edge-Renew-Credential"  # with a table: renew it now
FORMAT: Literal[2] = 2
PLATFORM = "tollgate"  # in the CDN-Loop field of every request that an edge forwards
MAX_USAGE_RECORDS = 5_000  # per report; the portal answers 413 above it
# 285 years in microseconds, or 9 petabytes: sums of many still fit 64 bits.
MAX_COUNT = 2**53
_MIN_YEAR, _MAX_YEAR = 1971, 2999

# Printable and without a backslash, so that PostgreSQL's COPY takes a value as it is.
Identifier = Annotated[str, Meta(pattern=r"^[!-\[\]-~]{1,64}\Z")]
RecordId = Annotated[str, Meta(pattern=r"^[!-\[\]-~]{1,128}\Z")]
MonthLabel = Annotated[
    str, Meta(pattern=r"^(197[1-9]|19[89][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])\Z")
]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Instant = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(ge=0, le=32_503_680_000)]  # since 1970, up to 3000
Text = Annotated[str, Meta(pattern=r"^[ -~]{0,40}\Z")]
DrainMode = Literal["keep", "drain", "cut"]
HeaderAction = Literal["set", "append", "delete"]
LogKind = Literal["https", "syslog"]
LogMethod = Literal["POST", "PUT"]

AnyType = TypeVar("AnyType")
_READ_ERRORS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class ContractError(ValueError):
    """A document is not of the agreed form; the message names the place."""


class ContractStruct(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A part of a document. Fields that have their default are not written."""


class Document(ContractStruct, frozen=True):
    """A whole document."""

    def to_bytes(self) -> bytes:
        """Write the document as JSON."""
        return msgspec.json.encode(self)

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """Read a JSON document. Raises ContractError."""
        try:
            document = msgspec.json.decode(text, type=cls)
            document.check()
            _refuse_repeated_names(text, document)
        except _READ_ERRORS as error:
            raise _contract_error(cls, error) from error
        return document

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Read a document from plain values. Raises ContractError."""
        document = read(cls, values)
        document.check()
        return document

    def check(self) -> None:
        """Refuse what the types of the fields cannot. Raises ContractError."""


class HeaderRule(ContractStruct, frozen=True):
    """A change to one header field of the request on its way to the origin (R11)."""

    action: HeaderAction
    name: str
    value: str = ""


class Origin(ContractStruct, frozen=True):
    """Where a service's connections go: the four host settings that are honoured (R8)."""

    name: str
    address: str
    port: Count
    use_tls: bool
    override_host: str | None


class LogTls(ContractStruct, frozen=True):
    """How TLS is used towards a log endpoint; certificates and keys are PEM, "" for the default."""

    server_name: str = ""
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""


class RouteLogEndpoint(ContractStruct, frozen=True):
    """Where the customer's log lines go: an https URL, or host:port for syslog.

    `tls` is None for plain syslog, and for https with the default settings. `token` is written
    before each line of syslog; method, content type and header belong to https.
    """

    kind: LogKind
    name: str
    address: str
    fields: tuple[str, ...] = ()
    tls: LogTls | None = None
    token: str = ""
    method: LogMethod = "POST"
    content_type: str = ""
    header_name: str = ""
    header_value: str = ""


class Route(ContractStruct, frozen=True):
    """One active service: its hosts, whether WebSockets is on, and its origin.

    `refusal` says why WebSockets is off, "" if it is on. `month` is the account's billing
    month ("2026-11"); it ends at `month_ends_at`. `drain_mode` says what happens to open
    tunnels once `websockets` is false: "drain" closes them at `drain_until`.
    """

    service: str
    account: str
    hosts: tuple[str, ...]
    websockets: bool
    refusal: str
    origin: Origin | None
    header_rules: tuple[HeaderRule, ...]
    log_endpoints: tuple[RouteLogEndpoint, ...]
    month: MonthLabel
    month_ends_at: Instant
    drain_mode: DrainMode = "keep"
    drain_until: Instant | None = None

    @property
    def refusal_sentence(self) -> str:
        """The sentence that a refused client reads."""
        return self.refusal or EdgeError.WEBSOCKETS_OFF.sentence()


class RouteTable(Document, frozen=True):
    """Everything that an edge follows; a newer table has a higher revision."""

    format: Literal[2]
    revision: Count
    routes: tuple[Route, ...]

    def check(self) -> None:
        """Refuse a table that does not say which service a host belongs to."""
        hosts: set[str] = set()
        services: set[str] = set()
        for route in self.routes:
            if route.service in services:
                raise ContractError(f"service {route.service} appears twice")
            services.add(route.service)
            for host in route.hosts:
                if host in hosts or host != host.lower():
                    raise ContractError(f"host {host} twice or not in lower case")
                hosts.add(host)


class ConnectionRecord(ContractStruct, frozen=True):
    """One connection in one month: cumulative, so the largest report is the truth.

    `duration_us` counts microseconds since the connection started. The bytes are those
    of `month` on the client's side, heads of the handshake included.
    """

    id: RecordId
    service: Identifier
    month: MonthLabel
    started_at: Instant
    duration_us: Count
    bytes_from_client: Count
    bytes_to_client: Count
    final: bool


class DeliveryRecord(ContractStruct, frozen=True):
    """The ordinary requests of one service in one hour, since the instance started."""

    service: Identifier
    hour: Instant
    requests: Count
    bytes_from_client: Count
    bytes_to_client: Count


class UsageReport(Document, frozen=True):
    """A batch of cumulative usage records; sending it twice changes nothing.

    `instance` is one run of one process of the edge.
    """

    edge: str
    instance: Identifier
    sent_at: Instant
    connections: tuple[ConnectionRecord, ...] = ()
    delivery: tuple[DeliveryRecord, ...] = ()

    def check(self) -> None:
        """Refuse impossible times."""
        _require_plausible(self.sent_at, "sent_at")
        for index, connection in enumerate(self.connections):
            _require_plausible(connection.started_at, f"connections[{index}]")
        for index, delivery in enumerate(self.delivery):
            hour, place = delivery.hour, f"delivery[{index}]"
            _require_plausible(hour, place)
            if hour != hour.replace(minute=0, second=0, microsecond=0):
                raise ContractError(f"{place}: not a whole hour")


class RejectedRecord(ContractStruct, frozen=True):
    """A usage record that the portal does not count, and why."""

    id: str
    reason: str


class UsageAnswer(Document, frozen=True):
    """The portal's response to a report; `ingest_epoch` changes when it was restored."""

    accepted: Count
    unchanged: Count
    conflicts: tuple[RejectedRecord, ...]
    ingest_epoch: str


class NewCredential(Document, frozen=True):
    """The portal's response to an edge that renews its credential."""

    secret: Annotated[str, Meta(pattern=r"^[!-~]{32,128}\Z")]


class EdgeStatus(Document, frozen=True, forbid_unknown_fields=False):
    """An edge's state, sent in a header with each request for the route table.

    `at` and `complete_to` are seconds since 1970 by the edge's clock, 0 if not known. All
    usage written before `complete_to` has arrived at the portal of `ingest_epoch`.
    """

    engine: Text = ""
    version: Text = ""
    revision: Count = 0  # of the route table that all workers follow
    open_connections: Count = 0
    rejected_connections: Count = 0  # for a limit
    unsent_bytes: Count = 0
    store_is_writable: bool = True
    quarantined_records: Count = 0
    log_lines_dropped: Count = 0
    at: Seconds = 0
    complete_to: Seconds = 0
    ingest_epoch: Text = ""


def read(kind: type[AnyType], values: object) -> AnyType:
    """Read a struct or a dataclass from plain values. Raises ContractError."""
    try:
        return msgspec.convert(values, kind)
    except _READ_ERRORS as error:
        raise _contract_error(kind, error) from error


def _contract_error(kind: type, error: Exception) -> ContractError:
    problem, _, path = str(error).partition(" - at `$")
    place = path.removeprefix(".").removesuffix("`") or kind.__name__
    return ContractError(f"{place}: {problem}")


def _refuse_repeated_names(text: bytes, document: Document) -> None:
    """Refuse an object that has a name twice; msgspec would take the last one.

    Each name has one colon. Without escapes, the strings of the text have the same colons
    as those of the document written again, so a name that is repeated shows in their
    number. A text with other colons may still be right; then each object is looked at.
    """
    if b"\\" not in text and text.count(b":") == document.to_bytes().count(b":"):
        return
    json.loads(text, object_pairs_hook=_once_each)


def _once_each(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ContractError("a name appears twice in one object")


def _require_plausible(instant: datetime, place: str) -> None:
    if not _MIN_YEAR <= instant.year <= _MAX_YEAR:
        raise ContractError(f"{place}: the year is not {_MIN_YEAR} to {_MAX_YEAR}")
