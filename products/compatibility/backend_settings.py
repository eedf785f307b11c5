"""The host settings that WebSocket connections do not use, and what to say about each (R8).

Only Name, Address (with its port), Enable TLS and Override Host are used.
Source: https://docs.fastly.com/products/websockets, edition of 2025-11-04.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from products.compatibility.version_config import BackendConfig

# As pages call the settings; `products.services.kinds` declares the fields with these labels.
BACKEND_LABELS: Final[Mapping[str, str]] = {
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
    "request_condition": "Request condition",
    "share_key": "Share key",
    "ssl_check_cert": "Check the origin's certificate",
    "ssl_ca_cert": "Custom CA certificate",
    "ssl_cert_hostname": "Certificate hostname",
    "ssl_sni_hostname": "SNI hostname",
    "ssl_hostname": "TLS hostname",
    "ssl_ciphers": "TLS ciphers",
    "ssl_client_cert": "Client certificate",
    "ssl_client_key": "Client key",
    "client_cert": "Client certificate (older setting)",
    "min_tls_version": "Minimum TLS version",
    "max_tls_version": "Maximum TLS version",
    "tcp_keepalive_enable": "TCP keep-alive",
    "tcp_keepalive_probes": "TCP keep-alive probes",
    "tcp_keepalive_interval": "TCP keep-alive interval",
    "tcp_keepalive_time": "TCP keep-alive time",
}

# A rule of its own checks these: they may equal the name that is checked.
CERTIFICATE_NAMES = ("ssl_cert_hostname", "ssl_sni_hostname", "ssl_hostname")


@dataclass(frozen=True, slots=True)
class UnsafeSetting:
    """A setting that would be unsafe or plainly wrong to ignore."""

    effect: str  # what the backend does with it; follows the backend's name
    remedy: str


_CLIENT_CERTIFICATE = UnsafeSetting(
    "uses a client certificate; WebSockets doesn't support one",
    "Remove the client certificate and its key, and let the origin identify clients another way.",
)

BLOCKING_SETTINGS = {
    "ssl_check_cert": UnsafeSetting(
        "turns certificate verification off; WebSockets always verifies",
        "Turn it on. The certificate must be signed by a public certification authority.",
    ),
    "ssl_ca_cert": UnsafeSetting(
        "trusts its own certification authority; WebSockets trusts only public ones",
        "Remove it, and give the origin a certificate signed by a public certification authority.",
    ),
    "ssl_client_cert": _CLIENT_CERTIFICATE,
    "ssl_client_key": UnsafeSetting(
        "has a client key; WebSockets doesn't support one", _CLIENT_CERTIFICATE.remedy
    ),
    "client_cert": _CLIENT_CERTIFICATE,
    "request_condition": UnsafeSetting(
        "has a request condition; WebSockets ignores it",
        "Remove the condition, or move the backend to a separate service.",
    ),
}

# All others.
IGNORED_SETTINGS = tuple(
    field
    for field in BACKEND_LABELS
    if field not in BLOCKING_SETTINGS and field not in CERTIFICATE_NAMES
)

_DEFAULTS = {each.name: each.default for each in fields(BackendConfig)}


def is_set(backend: BackendConfig, field: str) -> bool:
    """Tell whether a setting has a value other than its default."""
    value = getattr(backend, field)
    return value not in (None, "") and value != _DEFAULTS[field]
