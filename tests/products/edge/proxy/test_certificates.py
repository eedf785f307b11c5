"""TLS towards clients: the domain's certificate, and a new one without a restart."""

import socket
import ssl
import time

import pytest
import trustme

from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import (
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import (
    answering,
    plain_answer,
    upgrade_then,
    upgrade_then_echo,
)


def write(authority, folder, name, *domains):
    leaf = authority.issue_cert(*domains)
    beside = folder / f".{name}.new"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(beside))
    beside.rename(folder / f"{name}.pem")


def connect(edge, authority, name, *, alpn=("h2", "http/1.1")):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(list(alpn))
    plain = socket.create_connection(("127.0.0.1", edge.tls_port), timeout=20)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except ssl.SSLError:
        plain.close()
        raise


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("certificates")
    write(authority, folder, "one.test", "one.test")
    write(authority, folder, "_.wild.test", "*.wild.test")
    (folder / "broken.test.pem").write_text("not a certificate")
    stand = Stand(tmp_path_factory.mktemp("secure"), "--tls-certificates", str(folder))
    stand.edge.is_shared = True
    yield stand, authority, folder
    stand.close()


def test_a_websocket_passes_over_tls_with_the_domains_certificate(secure):
    stand, authority, _ = secure
    host, there = stand.serve(upgrade_then_echo, host="one.test")

    with connect(stand.edge, authority, "one.test") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"  # h2 is not spoken
        connection.sendall(handshake(host) + b"early")
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101
        assert read_exactly(connection, 5) == b"early"
        connection.sendall(b"x" * 300_000)
        assert read_exactly(connection, 300_000) == b"x" * 300_000

    assert b"\r\nX-Forwarded-Proto: https\r\n" in there.heads[0]


def test_a_wildcard_certificate_serves_the_names_below_it(secure):
    stand, authority, _ = secure
    stand.serve(answering(plain_answer()), host="any.wild.test")

    with connect(stand.edge, authority, "any.wild.test") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: any.wild.test\r\n\r\n")
        answer = read_until(connection, b"hello")

    assert status_of(answer) == 200


@pytest.mark.parametrize("name", ["unknown.test", "broken.test"])
def test_a_name_without_a_certificate_gets_no_handshake(secure, name):
    stand, authority, _ = secure

    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        connect(stand.edge, authority, name)


def test_a_new_certificate_is_used_without_a_restart(secure):
    stand, authority, folder = secure
    write(authority, folder, "two.test", "two.test")

    def serial():
        try:
            with connect(stand.edge, authority, "two.test") as connection:
                return connection.getpeercert()["serialNumber"]
        except ssl.SSLError:
            return None

    first = eventually(serial)
    write(authority, folder, "two.test", "two.test")

    assert eventually(lambda: serial() not in {first, None})


def test_a_new_certificate_leaves_open_tunnels_alone(secure):
    stand, authority, folder = secure
    stand.serve(upgrade_then_echo, host="one.test")
    connection = connect(stand.edge, authority, "one.test")
    connection.sendall(handshake("one.test"))
    read_until(connection, b"\r\n\r\n")

    write(authority, folder, "one.test", "one.test")
    before = connection.getpeercert()["serialNumber"]

    def is_renewed():
        with connect(stand.edge, authority, "one.test") as other:
            return other.getpeercert()["serialNumber"] != before

    eventually(is_renewed)
    connection.sendall(b"same tunnel")
    assert read_exactly(connection, 11) == b"same tunnel"
    connection.close()


def test_plain_http_on_the_tls_port_is_closed(secure):
    stand, _, _ = secure
    with socket.create_connection(
        ("127.0.0.1", stand.edge.tls_port), timeout=20
    ) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        try:
            answer = plain.recv(100)
        except ConnectionResetError:
            answer = b""

    assert not answer.startswith(b"HTTP")


def test_a_tls_tunnel_that_the_client_ends_is_counted_to_its_end(secure):
    stand, authority, _ = secure
    host, _ = stand.serve(upgrade_then_echo, host="one.test")
    before = len(stand.portal.of_service("one-test"))
    with connect(stand.edge, authority, "one.test") as connection:
        connection.sendall(handshake(host))
        read_until(connection, b"\r\n\r\n")
        connection.sendall(b"12345")
        read_exactly(connection, 5)

    finals = eventually(
        lambda: [r for r in stand.portal.of_service("one-test")[before:] if r.final]
    )
    assert finals[-1].bytes_from_client == len(handshake(host)) + 5


def test_a_tls_client_that_closes_loses_nothing_on_a_slow_origin(secure):
    stand, authority, _ = secure
    received = []

    def rest(connection):
        time.sleep(0.3)  # let every buffer on the way fill
        received.append(read_all(connection))

    host, _ = stand.serve(upgrade_then(rest), host="one.test")

    with connect(stand.edge, authority, "one.test") as connection:
        connection.sendall(handshake(host))
        read_until(connection, b"\r\n\r\n")
        connection.sendall(b"u" * 8_000_000)
        connection.unwrap().close()

    assert eventually(lambda: received) == [b"u" * 8_000_000]
