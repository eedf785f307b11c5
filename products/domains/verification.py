"""Looks for the proof of a claim: a TXT record, or a token on the host itself.

As with certificate authorities (CA/Browser Forum Baseline Requirements, 3.2.2.4.7 and 3.2.2.4.19):
the TXT record proves a name and all names below it, the HTTP token that one host only.
"""

import http.client
import io
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import dns.exception
import dns.nameserver
import dns.resolver

from products.addresses import Network
from products.lookup import AddressDenied, Unresolvable, resolve

TXT_LABEL = "_tollgate-challenge"
HTTP_PATH = "/.well-known/tollgate-challenge/"
_QUERY_SECONDS = 1.5  # to one name server, before the next is tried
_TOTAL_SECONDS = 3.0  # a person waits for it
_MAX_RESPONSE_BYTES = 16 * 1024
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Proof:
    """What the owner of a name sets: a TXT record, or a file at a URL."""

    dns_name: str
    dns_value: str
    http_url: str
    http_body: str


class ProofMissing(Exception):
    """The proof was not found; the message says what was found, for the customer."""


def proof_of(name: str, token: str) -> Proof:
    """Return the proof that a claim asks for."""
    return Proof(
        dns_name=f"{TXT_LABEL}.{name}",
        dns_value=f"tollgate={token}",
        http_url=f"http://{name}{HTTP_PATH}{token}",
        http_body=token,
    )


def require_txt_record(proof: Proof, *, servers: Sequence[tuple[str, int]]) -> None:
    """Look the TXT record up, at these name servers or at the machine's own.

    Takes at most 3 seconds. Raises ProofMissing.
    """
    try:
        answer = _resolver(servers).resolve(proof.dns_name, "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer) as error:
        raise ProofMissing(f"{proof.dns_name} has no TXT record.") from error
    except dns.exception.DNSException as error:
        raise ProofMissing(
            f"The name servers gave no answer for {proof.dns_name}."
        ) from error
    # A long record is sent in several strings.
    values = {b"".join(record.strings).decode("ascii", "replace") for record in answer}
    if proof.dns_value not in values:
        raise ProofMissing(f"The TXT record of {proof.dns_name} has another value.")


def _resolver(servers: Sequence[tuple[str, int]]) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in servers
        ]
    resolver.timeout, resolver.lifetime = _QUERY_SECONDS, _TOTAL_SECONDS
    return resolver


def require_http_token(
    name: str,
    proof: Proof,
    *,
    allowed_private: Sequence[Network],
    port: int = _HTTP_PORT,
) -> None:
    """Request the token from the host itself, without following redirects.

    The name is looked up once, and all its addresses must be allowed. Takes at most 3 seconds
    after the look-up, and reads at most 16 KiB. Raises ProofMissing.
    """
    try:
        addresses = resolve(name, port, allowed_private)
        status, body = _get(name, str(addresses[0]), port, proof.http_url)
    except AddressDenied as error:
        raise ProofMissing(f"{name} has no public address.") from error
    except Unresolvable as error:
        raise ProofMissing(f"{name} has no address.") from error
    except (OSError, http.client.HTTPException) as error:
        raise ProofMissing(f"{name} gave no answer to the HTTP request.") from error
    if status != http.client.OK:
        raise ProofMissing(f"{proof.http_url} answers with status {status}.")
    if body.strip() != proof.http_body.encode():
        raise ProofMissing(f"{proof.http_url} has other content.")


def _get(name: str, address: str, port: int, url: str) -> tuple[int, bytes]:
    path = url.partition(name)[2]
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: Tollgate\r\n"
        "Accept: text/plain\r\nConnection: close\r\n\r\n"
    )
    deadline = time.monotonic() + _TOTAL_SECONDS
    with socket.create_connection((address, port), _TOTAL_SECONDS) as connection:
        connection.sendall(request.encode("ascii"))
        received = _read(connection, deadline)
    # All that HTTPResponse does with a socket is to make a file of it.
    source = SimpleNamespace(makefile=lambda _mode: io.BytesIO(received))
    response = http.client.HTTPResponse(source)  # type: ignore[arg-type]
    response.begin()
    return response.status, response.read()


def _read(connection: socket.socket, deadline: float) -> bytes:
    """Read to the end, the deadline or the limit, whichever comes first."""
    received = bytearray()
    while len(received) < _MAX_RESPONSE_BYTES:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        # The time-out of a socket restarts with every byte, so it is set again.
        connection.settimeout(remaining)
        data = connection.recv(_MAX_RESPONSE_BYTES - len(received))
        if not data:
            break
        received += data
    return bytes(received)
