"""Both engines: over TLS, the requested host is the one that the handshake named (SNI)."""

import socket
import ssl

import pytest

from products.edge.errors import EdgeError
from tests.products.edge.contract.conftest import ENGINES, started
from tests.products.edge.contract.speaking import AUTHORITY
from tests.products.edge.running import get, handshake, read_all, status_of
from tests.products.edge.scripted import answering, plain_answer


@pytest.fixture(scope="module", params=ENGINES)
def two_names(request, tmp_path_factory):
    """An edge that serves one.test and two.test, with certificates for each name."""
    folder = tmp_path_factory.mktemp(request.param)
    certificates = folder / "certificates"
    certificates.mkdir()
    for file, name in (("one.test", "one.test"), ("default", "two.test")):
        leaf = AUTHORITY.issue_cert(name)
        leaf.private_key_and_cert_chain_pem.write_to_path(certificates / f"{file}.pem")
    stand = started(request.param, folder, "--tls-certificates", str(certificates))
    for name in ("one.test", "two.test"):
        stand.serve(answering(plain_answer()), host=name)
    yield stand
    assert stand.close() == 0


# The name in the TLS handshake, the Host field, and the status that the client gets.
NAMES = {
    "the same name": ("one.test", "one.test", 200),
    "upper case in Host": ("one.test", "ONE.test", 200),
    "upper case in the handshake": ("ONE.test", "one.test", 200),
    "a port in Host": ("one.test", "one.test:443", 200),
    "a dot after Host": ("one.test", "one.test.", 200),
    "a dot after the name in the handshake": ("one.test.", "one.test", 200),
    "the default certificate": ("two.test", "two.test", 200),
    "no name in the handshake": (None, "one.test", 200),
    "another service": ("one.test", "two.test", 421),
    "another service by the default certificate": ("two.test", "one.test", 421),
    "a part of the name": ("test", "one.test", 421),
    "a host of no service": ("one.test", "unknown.test", 404),
}


@pytest.mark.parametrize("case", NAMES)
def test_the_host_is_the_name_of_the_tls_handshake(two_names, case):
    server_name, host, status = NAMES[case]

    assert status_of(over_tls(two_names, server_name, get(host))) == status


def test_a_misdirected_handshake_says_why(two_names):
    answer = over_tls(two_names, "one.test", handshake("two.test"))

    assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    assert answer.endswith(f"\r\n\r\n{EdgeError.MISDIRECTED.sentence()}\n".encode())


def over_tls(stand, server_name, request):
    context = ssl.create_default_context()
    context.check_hostname = (
        False  # the certificates of some cases are for another name
    )
    AUTHORITY.configure_trust(context)
    with (
        socket.create_connection(("127.0.0.1", stand.edge.tls_port), 20) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as connection,
    ):
        connection.sendall(request)
        return read_all(connection)
