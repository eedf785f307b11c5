"""TLS towards clients: one certificate per domain, and new ones without a restart."""

import socket
import ssl

import pytest
import trustme

from tests.products.edge.conftest import Stand
from tests.products.edge.contract.speaking import values
from tests.products.edge.fake_portal import eventually
from tests.products.edge.haproxy.haproxy_stand import engine
from tests.products.edge.running import handshake, read_exactly, read_until, status_of

pytestmark = pytest.mark.haproxy


def write(authority, folder, name, domain):
    leaf = authority.issue_cert(domain)
    temporary = folder / f".{name}.new"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(temporary))
    temporary.rename(folder / f"{name}.pem")


def connect(stand, authority, name):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", stand.edge.tls_port), timeout=20)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except (ssl.SSLError, OSError):
        plain.close()
        return None


@pytest.fixture
def secure(tmp_path):
    authority = trustme.CA()
    folder = tmp_path / "certificates"
    folder.mkdir()
    write(authority, folder, "one.test", "one.test")
    (folder / "broken.test.pem").write_text("not a certificate")
    certificates = ["--tls-certificates", str(folder)]
    stand = Stand(tmp_path / "secure", *engine(), *certificates)
    yield stand, authority, folder
    stand.close()


def test_a_websocket_works_over_tls_beside_an_invalid_certificate_file(secure):
    stand, authority, _ = secure
    host, there = stand.serve(host="one.test")

    with connect(stand, authority, "one.test") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        connection.sendall(handshake(host) + b"early")
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101
        assert read_exactly(connection, 5) == b"early"

    assert values(there, "x-forwarded-proto") == ["https"]


def test_a_name_without_a_certificate_gets_no_tls_handshake(secure):
    stand, authority, _ = secure

    assert connect(stand, authority, "other.test") is None


def test_a_new_certificate_is_used_without_a_restart(secure):
    stand, authority, folder = secure

    write(authority, folder, "two.test", "two.test")

    eventually(lambda: connect(stand, authority, "two.test"), seconds=60).close()
    # All were looked at again meanwhile, and the invalid one had not changed.
    assert stand.edge.log().count("broken.test.pem") == 1
