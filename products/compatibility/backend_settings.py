"""The host settings that WebSocket connections do not use, and what to say about each (R8).

Only Name, Address (with its port), Enable TLS and Override Host are used.
Source: https://docs.fastly.com/products/websockets, edition of 2025-11-04.
"""

from dataclasses import dataclass, fields

from products.compatibility.version_config import BackendConfig

# A rule of its own checks these: they may equal the name that is checked.
CERTIFICATE_NAMES = {
    "ssl_cert_hostname": "Certificate hostname",
    "ssl_sni_hostname": "SNI hostname",
    "ssl_hostname": "TLS hostname",
}


@dataclass(frozen=True, slots=True)
class UnsafeSetting:
    """A setting that would be unsafe or plainly wrong to ignore."""

    label: str
    effect: str  # what the backend does with it; follows the backend's name
    remedy: str


_CLIENT_CERTIFICATE = UnsafeSetting(
    "Client certificate",
    "uses a client certificate; WebSockets doesn't support one",
    "Remove the client certificate and its key, and let the origin identify clients another way.",
)

BLOCKING_SETTINGS = {
    "ssl_check_cert": UnsafeSetting(
        "Check certificate",
        "turns certificate verification off; WebSockets always verifies",
        "Turn it on. The certificate must be signed by a public certification authority.",
    ),
    "ssl_ca_cert": UnsafeSetting(
        "CA certificate",
        "trusts its own certification authority; WebSockets trusts only public ones",
        "Remove it, and give the origin a certificate signed by a public certification authority.",
    ),
    "ssl_client_cert": _CLIENT_CERTIFICATE,
    "ssl_client_key": UnsafeSetting(
        "Client key",
        "has a client key; WebSockets doesn't support one",
        _CLIENT_CERTIFICATE.remedy,
    ),
    "client_cert": _CLIENT_CERTIFICATE,
    "request_condition": UnsafeSetting(
        "Request condition",
        "has a request condition; WebSockets ignores it",
        "Remove the condition, or move the backend to a separate service.",
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
    """Tell whether a setting has a value other than its default."""
    value = getattr(backend, field)
    return value not in (None, "") and value != _DEFAULTS[field]
