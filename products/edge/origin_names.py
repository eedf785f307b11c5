"""How an edge reaches an origin: the name that is checked, TLS, TCP keepalive; both engines."""

import socket
import ssl

from products.edge.contract import Origin
from products.protocol import origin_name

_KEEPALIVE_SECONDS = 60  # without traffic, before the kernel probes the peer
_UNACKNOWLEDGED_MS = 60_000

LIVENESS_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
)


def origin_tls(ca_file: str = "") -> ssl.SSLContext:
    """Make the TLS settings towards origins: public authorities, TLS 1.2 or later (R9).

    A `ca_file` replaces the public authorities, for tests and private installations. ALPN
    offers only HTTP/1.1, because an origin that chose h2 could not take an Upgrade.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def bare_name(host: str) -> str:
    """Return a host without its port and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else host


def certificate_name(origin: Origin) -> str:
    """Return the name that the origin's certificate must be for (R8, R9)."""
    return bare_name(origin_name(origin.address, origin.override_host)).removesuffix(
        "."
    )
