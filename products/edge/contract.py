"""What passes between portal and edge: the route table in; usage reports and status out.

Both sides read and write these structs. Reading is strict: types are exact, numbers have
bounds, and unknown fields are refused. A ContractError names the place.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

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


class ContractError(ValueError):
    """A document is not of the agreed form; the message names the place."""


class ContractStruct(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A document or a part of one. Fields that have their default are not written."""

    def to_bytes(self) -> bytes:
        """Write it as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, text: bytes) -> Self:
        """Read it from JSON. Raises ContractError."""
        try:
            document = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, _, path = str(error).partition(" - at `$")
            place = path.removeprefix(".").removesuffix("`") or cls.__name__
            raise ContractError(f"{place}: {problem}") from error
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


class RouteTable(ContractStruct, frozen=True):
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


class UsageReport(ContractStruct, frozen=True):
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


class UsageAnswer(ContractStruct, frozen=True):
    """The portal's response to a report; `ingest_epoch` changes when it was restored."""

    accepted: Count
    unchanged: Count
    conflicts: tuple[RejectedRecord, ...]
    ingest_epoch: str


class NewCredential(ContractStruct, frozen=True):
    """The portal's response to an edge that renews its credential."""

    secret: Annotated[str, Meta(pattern=r"^[!-~]{32,128}\Z")]


class EdgeStatus(ContractStruct, frozen=True, forbid_unknown_fields=False):
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


def _require_plausible(instant: datetime, place: str) -> None:
    # In another zone, a calendar may not have an earlier or a later time.
    if not _MIN_YEAR <= instant.year <= _MAX_YEAR:
        raise ContractError(f"{place}: the year is not {_MIN_YEAR} to {_MAX_YEAR}")
