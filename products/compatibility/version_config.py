"""A service version as plain values, as the rules and the route table read it.

Field names and defaults are those of Fastly's API:
https://www.fastly.com/documentation/reference/api/services/backend/.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from products.protocol import CertificateKind, certificate_name

WEBSOCKETS = "websockets"  # the product's slug

# Strings are matched too, so that a "//" or "#" in one does not start a comment, nor a
# quote in a comment a string. A long string may have a label: {EOF"…"EOF}. What is not
# closed runs to the end; searching again for each missing end would take quadratic time.
_VCL_NOISE = re.compile(
    r"""\{(?P<word>[A-Za-z0-9_]*)".*?(?:"(?P=word)\}|\Z)|"[^"\n]*"|/\*.*?(?:\*/|\Z)|//[^\n]*|\#[^\n]*""",
    re.DOTALL,
)
_UPGRADE = re.compile(r"\breturn\s*\(\s*upgrade\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendConfig:
    """A backend. Times are milliseconds; `keepalive_time` and TCP's are seconds."""

    name: str
    address: str = ""
    port: int = 80
    use_ssl: bool = False
    override_host: str | None = None
    weight: int = 100
    max_conn: int = 200
    max_use: int | None = None
    max_lifetime: int | None = None
    connect_timeout: int = 1000
    first_byte_timeout: int = 15000
    between_bytes_timeout: int = 10000
    fetch_timeout: int | None = None
    error_threshold: int = 0
    keepalive_time: int | None = None
    auto_loadbalance: bool = False
    prefer_ipv6: bool = False
    request_condition: str = ""
    healthcheck: str | None = None
    shield: str | None = None
    share_key: str | None = None
    ssl_check_cert: bool = True
    ssl_ca_cert: str | None = None
    ssl_cert_hostname: str | None = None
    ssl_sni_hostname: str | None = None
    ssl_hostname: str | None = None
    ssl_ciphers: str | None = None
    ssl_client_cert: str | None = None
    ssl_client_key: str | None = None
    client_cert: str | None = None
    min_tls_version: str | None = None
    max_tls_version: str | None = None
    tcp_keepalive_enable: bool | None = None
    tcp_keepalive_probes: int | None = None
    tcp_keepalive_interval: int | None = None
    tcp_keepalive_time: int | None = None

    @property
    def checked_name(self) -> str:
        """The name that the origin's certificate must match (R8, R9)."""
        return certificate_name(self.address, self.override_host)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderConfig:
    """A header rule of a service."""

    name: str
    action: str = "set"
    type: str = "request"
    dst: str = ""
    src: str = ""
    regex: str = ""
    substitution: str = ""
    ignore_if_set: bool = False
    priority: int = 100
    request_condition: str | None = None
    cache_condition: str | None = None
    response_condition: str | None = None


@dataclass(frozen=True, slots=True)
class SnippetConfig:
    """A piece of VCL for one subroutine, its `type`."""

    name: str
    type: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class VclConfig:
    """A whole VCL file."""

    name: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """A host name of the service."""

    name: str


@dataclass(frozen=True, slots=True)
class LogEndpointConfig:
    """Where log lines are sent (R10). Its secrets are the values: the edge needs them."""

    name: str
    kind: str = ""
    address: str = ""
    fields: tuple[str, ...] = ()
    uses_tls: bool = False
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """A part that another part names, and that the version does not have.

    `of_kind` and `name` are of the missing part. `kind`, `part`, `key` and `field` say what names
    it; `key` finds that part in paths.
    """

    of_kind: str
    name: str
    kind: str
    part: str
    key: str
    field: str


@dataclass(frozen=True, slots=True)
class OriginCertificate:
    """What a probe found at a backend: a kind of result, and a sentence about it."""

    backend: str
    kind: CertificateKind
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionConfig:
    """One version of a service; parts are in the order in which they were added."""

    number: int
    domains: tuple[DomainConfig, ...] = ()
    backends: tuple[BackendConfig, ...] = ()
    headers: tuple[HeaderConfig, ...] = ()
    snippets: tuple[SnippetConfig, ...] = ()
    vcls: tuple[VclConfig, ...] = ()
    log_endpoints: tuple[LogEndpointConfig, ...] = ()
    missing: tuple[MissingPart, ...] = ()

    @property
    def connection_backend(self) -> BackendConfig | None:
        """The backend that gets all connections: the first one added (R8)."""
        return self.backends[0] if self.backends else None

    @property
    def calls_upgrade(self) -> bool:
        """Whether a recv snippet or a VCL file calls `return(upgrade)`."""
        snippets = (each.content for each in self.snippets if each.type == "recv")
        files = (each.content for each in self.vcls)
        return any(_calls_upgrade(content) for content in (*snippets, *files))


def uses_websockets(config: VersionConfig, products: frozenset[str]) -> bool:
    """Tell whether a version of a service with these products on uses WebSockets.

    It does if WebSockets is switched on, or if its own VCL calls `return(upgrade)`.
    """
    return WEBSOCKETS in products or config.calls_upgrade


def _calls_upgrade(vcl: str) -> bool:
    return _UPGRADE.search(_VCL_NOISE.sub(" ", vcl)) is not None
