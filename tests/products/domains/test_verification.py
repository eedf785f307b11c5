"""The proof of a claim, looked for at real servers on loopback."""

import socket
import threading
import time
from contextlib import closing, contextmanager
from ipaddress import ip_network

import pytest

from products.domains import verification
from products.domains.verification import (
    ProofMissing,
    proof_of,
    require_http_token,
    require_txt_record,
)
from tests.factories.name_server import name_server

PROOF = proof_of("acme.com", "a-token-of-43-characters-which-is-quite-long")
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def test_the_proof_is_a_record_below_the_name_or_a_file_of_the_host():
    proof = proof_of("acme.com", "secret")

    assert proof.dns_name == "_tollgate-challenge.acme.com"
    assert proof.dns_value == "tollgate=secret"
    assert proof.http_url == "http://acme.com/.well-known/tollgate-challenge/secret"
    assert proof.http_body == "secret"


def test_a_txt_record_is_found_among_others_and_in_several_strings():
    records = {PROOF.dns_name: ["v=spf1 -all", PROOF.dns_value]}
    with name_server(records) as server:
        require_txt_record(PROOF, servers=[server.address])

    assert len(PROOF.dns_value) > 20  # more than one string
    assert server.asked == [PROOF.dns_name]


@pytest.mark.parametrize(
    "records, found",
    [
        ({}, "no TXT record"),
        ({PROOF.dns_name: []}, "no TXT record"),
        ({PROOF.dns_name: ["tollgate=other"]}, "another value"),
        ({"acme.com": [PROOF.dns_value]}, "no TXT record"),
    ],
    ids=["no name", "no record", "another token", "the record of another name"],
)
def test_without_the_record_the_reason_says_what_was_found(records, found):
    with name_server(records) as server, pytest.raises(ProofMissing, match=found):
        require_txt_record(PROOF, servers=[server.address])


def test_a_silent_name_server_costs_the_limit_at_most(monkeypatch):
    monkeypatch.setattr(verification, "_TOTAL_SECONDS", 0.3)
    with name_server({PROOF.dns_name: [PROOF.dns_value]}) as server:
        server.is_silent = True
        started = time.monotonic()
        with pytest.raises(ProofMissing, match="no answer"):
            require_txt_record(PROOF, servers=[server.address])
        took = time.monotonic() - started

    assert took < 4  # dnspython's own limit is 5


def test_a_second_name_server_is_asked_if_the_first_is_silent():
    with name_server() as first, name_server() as second:
        first.is_silent = True
        second.records[PROOF.dns_name] = [PROOF.dns_value]
        require_txt_record(PROOF, servers=[first.address, second.address])


def test_a_name_that_is_too_long_has_no_record():
    long = ".".join(["a" * 60] * 4)
    with name_server() as server, pytest.raises(ProofMissing):
        require_txt_record(proof_of(long, "x"), servers=[server.address])


@contextmanager
def web_server(answer: bytes, *, hold: float = 0, drip: float = 0):
    """Run a server for one connection; yields its port and the request's bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            received.append(connection.recv(4096))
            try:
                for byte in (
                    (answer[i : i + 1] for i in range(len(answer)))
                    if drip
                    else [answer]
                ):
                    connection.sendall(byte)
                    time.sleep(drip)
            except OSError:
                pass
            time.sleep(hold)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        listener.close()
        thread.join(5)


def ok(body: bytes, *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


def ask(port: int, **options: object) -> None:
    proof = proof_of("localhost", "secret")
    require_http_token(
        "localhost", proof, port=port, **{"allowed_private": LOOPBACK} | options
    )


def test_the_token_is_read_from_the_host():
    with web_server(ok(b"secret\n")) as (port, received):
        ask(port)

    assert received[0].startswith(
        b"GET /.well-known/tollgate-challenge/secret HTTP/1.1\r\nHost: localhost\r\n"
    )


@pytest.mark.parametrize(
    "answer, found",
    [
        (ok(b"other"), "other content"),
        (ok(b""), "other content"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.com/\r\n\r\n",
            "status 302",
        ),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"SSH-2.0-OpenSSH\r\n", "no answer"),
        (b"", "no answer"),
        (ok(b"secret")[:30], "other content"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, "other content"),
    ],
    ids=[
        "other",
        "empty",
        "redirect",
        "missing",
        "not http",
        "nothing",
        "cut",
        "flood",
    ],
)
def test_another_answer_is_no_proof(answer, found):
    with web_server(answer) as (port, _), pytest.raises(ProofMissing, match=found):
        ask(port)


def test_a_host_that_sends_a_byte_at_a_time_costs_the_limit_at_most(monkeypatch):
    monkeypatch.setattr(verification, "_TOTAL_SECONDS", 0.3)
    with web_server(ok(b"secret"), drip=0.5) as (port, _):
        started = time.monotonic()
        with pytest.raises(ProofMissing, match="no answer"):
            ask(port)
        took = time.monotonic() - started

    assert took < 10  # all of it takes more than 20


def test_an_address_that_is_not_public_is_never_connected_to():
    with web_server(ok(b"secret")) as (port, received):
        with pytest.raises(ProofMissing, match="no public address"):
            ask(port, allowed_private=())
        socket.create_connection(("127.0.0.1", port)).close()  # ends the server

    assert received == [b""]
