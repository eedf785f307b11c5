"""A probe of an origin's certificate: a TLS handshake, and nothing else.

Source of the rule that origin certificates are publicly signed (R9):
https://docs.fastly.com/products/websockets, edition of 2025-11-04.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass

from products.addresses import Address, Network
from products.edge.tls import origin_tls
from products.lookup import (
    AddressDenied,
    LookupFunction,
    Unresolvable,
    look_up_stream,
    resolve,
)
from products.protocol import CertificateKind

_TIMEOUT_SECONDS = 3.0
_MAX_BYTES = 64 * 1024  # a long certificate chain is a tenth of this
_CHUNK_BYTES = 4096

# OpenSSL's X509_V_ERR_… codes, include/openssl/x509_vfy.h.
_KIND_BY_CODE: dict[int, tuple[CertificateKind, str]] = {
    9: ("expired", "The certificate is not valid yet."),
    10: ("expired", "The certificate has expired."),
    18: ("self_signed", "The certificate is signed by itself."),
    62: ("wrong_name", "The certificate is for another name."),
    64: ("wrong_name", "The certificate is for another address."),
}
_UNTRUSTED: tuple[CertificateKind, str] = (
    "untrusted",
    (
        "The certificate is not signed by a public certification authority, or the origin does not "
        "send the intermediate certificates."
    ),
)
_NO_TLS = "The origin did not answer with TLS 1.2 or newer."
_FLOOD = "The origin sent more than a TLS handshake needs."


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe: a class, and one sentence for the customer."""

    kind: CertificateKind
    detail: str


_OUT_OF_TIME = ProbeResult("unreachable", "The origin did not answer in time.")


class _Flood(Exception):
    """The origin sent more than a handshake needs."""


def probe_origin(
    address: str,
    port: int,
    *,
    name: str,
    allowed_private: Iterable[Network] = (),
    ca_file: str = "",
    timeout_seconds: float = _TIMEOUT_SECONDS,
    look_up: LookupFunction = look_up_stream,
) -> ProbeResult:
    """Look a backend's Address up once and probe the first address that responds.

    Only the handshake is sent, at most 64 KiB are read, and nothing that the origin sends is shown.
    `name` is the name that the certificate must be for: the Override Host, else the Address. It is
    the SNI unless it is an IP address. `ca_file` replaces the public authorities, for tests. Look-up
    and handshake together take at most `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    try:
        found = resolve(
            address,
            port,
            allowed_private,
            look_up=look_up,
            timeout_seconds=timeout_seconds,
        )
    except AddressDenied as denial:
        return ProbeResult(
            "refused_address", f"The address is not a public one: {denial.reason}."
        )
    except Unresolvable:
        return ProbeResult("unreachable", "The host name has no address.")
    context = origin_tls(ca_file)
    result = _OUT_OF_TIME
    for each in found:
        if result.kind != "unreachable" or time.monotonic() >= deadline:
            break
        result = _probe_address(each, port, name, context, deadline)
    return result


def _probe_address(
    address: Address, port: int, name: str, context: ssl.SSLContext, deadline: float
) -> ProbeResult:
    """Do the TLS handshake with one address and check the certificate."""
    remaining = max(0.001, deadline - time.monotonic())
    try:
        connection = socket.create_connection((str(address), port), remaining)
    except (OSError, OverflowError):
        return ProbeResult("unreachable", "The origin did not accept a connection.")
    with connection:
        return _check_certificate(connection, name, context, deadline)


def _check_certificate(
    connection: socket.socket, name: str, context: ssl.SSLContext, deadline: float
) -> ProbeResult:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    except ValueError:
        return ProbeResult("wrong_name", "No certificate can be for such a name.")
    try:
        _shake_hands(connection, tls, (incoming, outgoing), deadline)
    except ssl.SSLCertVerificationError as error:
        return ProbeResult(*_KIND_BY_CODE.get(error.verify_code, _UNTRUSTED))
    except (ssl.SSLError, ConnectionError, _Flood) as error:
        return ProbeResult("not_tls", _FLOOD if isinstance(error, _Flood) else _NO_TLS)
    except OSError:  # a time-out, or a network error
        return _OUT_OF_TIME
    return ProbeResult("ok", "The certificate is publicly signed and for this name.")


def _shake_hands(
    connection: socket.socket,
    tls: ssl.SSLObject,
    buffers: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
    deadline: float,
) -> None:
    # In memory rather than on the socket, whose timeout restarts with every byte and
    # which does not count bytes.
    incoming, outgoing = buffers
    received = 0
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            break
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        connection.settimeout(remaining)
        connection.sendall(outgoing.read())
        data = connection.recv(_CHUNK_BYTES)
        received += len(data)
        if received > _MAX_BYTES:
            raise _Flood
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()
    # Finish the handshake, so that the origin does not log an error. What it does with
    # these bytes says nothing about its certificate.
    with contextlib.suppress(OSError):
        connection.sendall(outgoing.read())
