"""The TLS settings towards origins and clients, and certificates of domains."""

import ssl
from pathlib import Path

# The attribute of a server's SSLObject with the name that the client's handshake named (SNI).
SERVER_NAME = "client_server_name"


def origin_tls(ca_file: str = "") -> ssl.SSLContext:
    """Make the TLS settings towards origins: public authorities, TLS 1.2 or later.

    A `ca_file` replaces the public authorities, for tests and private installations. ALPN
    offers only HTTP/1.1, because an origin that chose h2 could not take an Upgrade.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_tls() -> ssl.SSLContext:
    """Make the TLS settings towards clients, yet without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without h2, browsers use HTTP/1.1. WebSockets over h2 (RFC 8441) is not supported.
    context.set_alpn_protocols(["http/1.1"])
    return context


def load_certificate(context: ssl.SSLContext, path: Path) -> None:
    """Load a certificate with its chain and key from a PEM file, without ever waiting.

    Raises OSError (ssl.SSLError is one), also for a key that needs a passphrase: OpenSSL
    would ask for it in the terminal, and the edge would wait for an answer.
    """
    if not path.is_file():  # opening a pipe would wait for its other end
        raise OSError(f"{path.name} is not a file")
    context.load_cert_chain(path, password="")
