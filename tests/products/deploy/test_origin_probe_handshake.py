"""Probing origins on loopback with real handshakes."""

import socket
import ssl
import threading

import pytest
import trustme

from products.deploy.origin_probe import ProbeResult, probe_origin
from tests.products.edge.origins import (
    FAR_OFF,
    LONG_AGO,
    LOOPBACK_ALLOWED,
    NAME,
    NOT_SO_LONG_AGO,
    certified,
    certified_by_itself,
    origin,
    with_tls,
)


def probe(port, ca_file, *, name=NAME, timeout_seconds=5.0):
    return probe_origin(
        "127.0.0.1",
        port,
        name=name,
        allowed_private=LOOPBACK_ALLOWED,
        ca_file=ca_file,
        timeout_seconds=timeout_seconds,
    )


def test_a_signed_certificate_for_the_name_is_ok_and_sni_carries_the_name(
    authority, ca_file
):
    context = certified(authority.issue_cert(NAME))
    names = []
    context.sni_callback = lambda _tls, name, _context: names.append(name)

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult(
        "ok", "The certificate is publicly signed and for this name."
    )
    assert names == [NAME]


def test_nothing_is_sent_after_the_handshake(authority, ca_file):
    context = certified(authority.issue_cert(NAME))
    received = []

    def treat(connection):
        with context.wrap_socket(
            connection, server_side=True, suppress_ragged_eofs=True
        ) as tls:
            received.append(tls.recv(100))

    with origin(treat) as server:
        result = probe(server.port, ca_file)

    assert result.kind == "ok"
    assert received == [b""]


def test_an_address_as_name_is_checked_and_not_sent_as_sni(authority, ca_file):
    context = certified(authority.issue_cert("127.0.0.1"))
    names = []
    context.sni_callback = lambda _tls, name, _context: names.append(name)

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file, name="127.0.0.1")
        other = probe(server.port, ca_file, name="127.0.0.2")

    assert (result.kind, other.kind) == ("ok", "wrong_name")
    assert names == [None, None]


def test_a_self_signed_certificate_is_seen_as_such(ca_file, tmp_path):
    with origin(with_tls(certified_by_itself(tmp_path))) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult("self_signed", "The certificate is signed by itself.")


def test_a_certificate_of_a_private_authority_is_untrusted(ca_file):
    context = certified(trustme.CA().issue_cert(NAME))

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result.kind == "untrusted"


def test_the_public_authorities_are_asked_when_no_other_is_named(authority):
    context = certified(authority.issue_cert(NAME))

    with origin(with_tls(context)) as server:
        result = probe(server.port, None)

    assert result.kind == "untrusted"


def test_a_certificate_for_another_name_is_the_wrong_one(authority, ca_file):
    context = certified(authority.issue_cert("other.example"))

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult("wrong_name", "The certificate is for another name.")


def test_a_certificate_of_the_past_has_expired(authority, ca_file):
    context = certified(
        authority.issue_cert(NAME, not_before=LONG_AGO, not_after=NOT_SO_LONG_AGO)
    )

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult("expired", "The certificate has expired.")


def test_a_certificate_of_the_future_is_not_valid_yet(authority, ca_file):
    context = certified(
        authority.issue_cert(NAME, not_before=FAR_OFF, not_after=FAR_OFF)
    )

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult("expired", "The certificate is not valid yet.")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_origin_of_old_tls_only_is_not_talked_to(authority, ca_file):
    context = certified(authority.issue_cert(NAME))
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    with origin(with_tls(context)) as server:
        result = probe(server.port, ca_file)

    assert result.kind == "not_tls"


def answer_in_plain_text(connection):
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def abort_all(connection):
    connection.recv(65536)


def redirect(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n")


def flood(connection):
    connection.recv(65536)
    # Hello requests, which a client in the middle of a handshake passes over.
    connection.sendall(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 100_000)


@pytest.mark.parametrize("treat", [answer_in_plain_text, abort_all, redirect])
def test_an_origin_that_does_not_speak_tls_is_seen_as_such(treat, ca_file):
    with origin(treat) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult(
        "not_tls", "The origin did not answer with TLS 1.2 or newer."
    )


def test_an_origin_that_sends_more_than_a_handshake_is_cut_off(ca_file):
    with origin(flood) as server:
        result = probe(server.port, ca_file)

    assert result == ProbeResult(
        "not_tls", "The origin sent more than a TLS handshake needs."
    )


def test_a_closed_port_is_unreachable(ca_file):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    result = probe(port, ca_file)

    assert result == ProbeResult(
        "unreachable", "The origin did not accept a connection."
    )


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_that_does_not_exist_is_unreachable(port, ca_file):
    assert probe(port, ca_file).kind == "unreachable"


def test_a_silent_origin_is_unreachable_when_time_is_up(ca_file):
    released = threading.Event()

    with origin(lambda _connection: released.wait(30)) as server:
        result = probe(server.port, ca_file, timeout_seconds=0.2)
        released.set()

    assert result == ProbeResult("unreachable", "The origin did not answer in time.")


def test_an_origin_that_drips_bytes_does_not_win_more_time(ca_file):
    done = threading.Event()

    def drip(connection):
        connection.sendall(b"\x16\x03\x03\x40\x00")
        for _ in range(1000):
            if done.wait(0.02):
                return
            connection.sendall(b"\x02")

    with origin(drip) as server:
        result = probe(server.port, ca_file, timeout_seconds=0.3)
        done.set()

    assert result.kind == "unreachable"


@pytest.mark.parametrize("name", ["", ".example", "x" * 64 + ".example"])
def test_a_name_no_certificate_can_be_for_is_the_wrong_one(name, ca_file):
    with origin(abort_all) as server:
        result = probe(server.port, ca_file, name=name)

    assert result.kind == "wrong_name"
