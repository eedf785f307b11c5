"""The host settings that WebSockets does not honour, each with its words (R8).

Honoured are Name, Address (with its port), Enable TLS and Override Host alone.
Source: https://docs.fastly.com/products/websockets, edition of 2025-11-04.
"""

from dataclasses import dataclass, fields

from products.compatibility.version_config import BackendConfig

SUPPORTED_SETTINGS = frozenset({"name", "address", "port", "use_ssl", "override_host"})

# Asked by rules of their own: shielding is R6; the names may equal the one checked.
CERTIFICATE_NAMES = {
    "ssl_cert_hostname": "Certificate hostname",
    "ssl_sni_hostname": "SNI hostname",
    "ssl_hostname": "TLS hostname",
}


@dataclass(frozen=True, slots=True)
class UnsafeSetting:
    """A setting that would be unsafe or plainly wrong to ignore."""

    label: str
    does: str  # what the backend does with it, after its name
    fix: str


_OWN_CERTIFICATE = UnsafeSetting(
    "Client certificate",
    "shows a client certificate to the origin, and WebSockets cannot",
    "Remove the client certificate and its key, and let the origin know its clients another way.",
)

BLOCKING_SETTINGS = {
    "ssl_check_cert": UnsafeSetting(
        "Check certificate",
        "switches certificate checking off, and WebSockets always checks",
        "Switch it on. The certificate must be signed by a public certification authority.",
    ),
    "ssl_ca_cert": UnsafeSetting(
        "CA certificate",
        "trusts a certification authority of its own, and WebSockets trusts public ones only",
        "Remove it, and give the origin a certificate signed by a public certification authority.",
    ),
    "ssl_client_cert": _OWN_CERTIFICATE,
    "ssl_client_key": UnsafeSetting(
        "Client key",
        "holds a client key, and WebSockets cannot use it",
        _OWN_CERTIFICATE.fix,
    ),
    "client_cert": _OWN_CERTIFICATE,
    "request_condition": UnsafeSetting(
        "Request condition",
        "is used under a request condition, and WebSockets does not ask it",
        "Remove the condition, or put the backend into a service of its own.",
    ),
}

IGNORED_SETTINGS = {
    "weight": "Weight",
    "max_conn": "Maximum connections",
    "max_use": "Maximum uses of a connection",
    "max_lifetime": "Maximum lifetime of a connection",
    "connect_timeout": "Connect timeout",
    "first_byte_timeout": "First byte timeout",
    "between_bytes_timeout": "Between bytes timeout",
    "fetch_timeout": "Fetch timeout",
    "error_threshold": "Error threshold",
    "keepalive_time": "Keep-alive time",
    "auto_loadbalance": "Automatic load balancing",
    "prefer_ipv6": "Prefer IPv6",
    "healthcheck": "Health check",
    "share_key": "Share key",
    "ssl_ciphers": "TLS ciphers",
    "min_tls_version": "Minimum TLS version",
    "max_tls_version": "Maximum TLS version",
    "tcp_keepalive_enable": "TCP keep-alive",
    "tcp_keepalive_probes": "TCP keep-alive probes",
    "tcp_keepalive_interval": "TCP keep-alive interval",
    "tcp_keepalive_time": "TCP keep-alive time",
}

_DEFAULTS = {each.name: each.default for each in fields(BackendConfig)}


def is_set(backend: BackendConfig, field: str) -> bool:
    """Tell whether somebody gave a setting a value other than its default."""
    value = getattr(backend, field)
    return value not in (None, "") and value != _DEFAULTS[field]
