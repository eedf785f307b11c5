"""Both engines: which origins are connected to (R8, R9)."""

import ssl

import pytest
import trustme

from tests.products.edge.contract.conftest import ENGINES, started
from tests.products.edge.contract.speaking import (
    AUTHORITY,
    echoes,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually, origin
from tests.products.edge.origins import NAME, certified, certified_by_itself
from tests.products.edge.running import (
    get,
    handshake,
    read_all,
    read_until,
    status_of,
)
from tests.products.edge.scripted import answering, plain_answer, switching


def tls_to(stand, tls, *, override_host=None, address="127.0.0.1"):
    host, there = stand.serve(tls=tls)
    to = origin(there.port, use_tls=True, override_host=override_host, address=address)
    stand.change(host, to=to)
    return host, there


def test_an_origin_certified_for_its_name_is_connected_to(stand):
    host, _ = tls_to(stand, certified(AUTHORITY.issue_cert(NAME)), override_host=NAME)

    with opened(stand, host)[0] as connection:
        assert echoes(connection, b"over TLS")


def test_a_certificate_is_checked_against_the_address_where_no_host_overrides_it(stand):
    tls = certified(AUTHORITY.issue_cert("localhost"))
    host, _ = tls_to(stand, tls, address="localhost")

    opened(stand, host)[0].close()


@pytest.mark.parametrize("why", ["self-signed", "another name", "another authority"])
def test_a_certificate_that_is_not_acceptable_is_refused(stand, why, tmp_path):
    tls = {
        "self-signed": lambda: certified_by_itself(tmp_path),
        "another name": lambda: certified(AUTHORITY.issue_cert("other.example")),
        "another authority": lambda: certified(trustme.CA().issue_cert(NAME)),
    }[why]()
    host, there = tls_to(stand, tls, override_host=NAME)

    answer = stand.edge.ask(handshake(host))

    assert status_of(answer) in {502, 503}
    assert there.heads == []


def test_tls_below_version_1_2_is_refused(stand):
    tls = certified(AUTHORITY.issue_cert(NAME))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    host, there = tls_to(stand, tls, override_host=NAME)

    assert status_of(stand.edge.ask(handshake(host))) in {502, 503}
    assert there.heads == []


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.0.0.1", "0.0.0.0", "::ffff:10.0.0.1"]
)
def test_an_address_that_may_not_be_dialled_is_refused_with_a_sentence(stand, address):
    host, there = stand.serve()
    stand.change(host, to=origin(there.port, address=address))

    answer = stand.edge.ask(handshake(host))

    assert status_of(answer) == 502
    # Clients do not learn which class of address it is.
    assert answer.endswith(b"\r\n\r\nThe origin's address is not allowed.\n")


def test_an_origin_that_does_not_answer_is_an_error_with_a_sentence(stand):
    host, there = stand.serve()
    there.close()

    answer = stand.edge.ask(handshake(host))

    assert status_of(answer) in {502, 503, 504}
    assert b"content-type: text/plain" in answer.lower()
    assert stand.portal.of_service(service_of(host)) == []


# What is added to an answer's head, and what an ordinary request and a handshake then get.
SIZES = {
    "nearly 16 KiB": (b"X-Long: " + b"y" * 16_000 + b"\r\n", 200, 101),
    "more than 16 KiB": (b"X-Long: " + b"y" * 16_384 + b"\r\n", 502, 502),
    "nearly 100 fields": (b"X-Many: y\r\n" * 95, 200, 101),
    "more than 100 fields": (b"X-Many: y\r\n" * 101, 502, 502),
}


@pytest.mark.parametrize("size", SIZES)
def test_the_head_of_an_ordinary_answer_has_the_bounds_of_a_request(stand, size):
    more, status, _ = SIZES[size]
    answer = plain_answer().replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
    host, _ = stand.serve(answering(answer))

    received = stand.edge.ask(get(host))

    assert status_of(received) == status
    assert received.partition(b"\r\n\r\n")[2]  # the origin's body, or a sentence


@pytest.mark.parametrize("size", SIZES)
def test_the_head_of_a_101_has_the_bounds_of_a_request(stand, size):
    more, _, status = SIZES[size]

    def script(connection, there):
        head = switching(there.read_head(connection))
        connection.sendall(head.removesuffix(b"\r\n") + more + b"\r\n")
        there.bodies.append(read_all(connection))

    host, there = stand.serve(script)

    with stand.edge.connect() as connection:
        connection.sendall(handshake(host))
        assert status_of(read_until(connection, b"\r\n\r\n")) == status

    assert eventually(lambda: there.bodies)[0] in (b"", b"<reset>")


# The resolver of an edge that is started with this on its path.
MANY_ADDRESSES = """
import socket

look_up = socket.getaddrinfo


def getaddrinfo(host, port, *more, **others):
    if host != "many.test":
        return look_up(host, port, *more, **others)
    return [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", port))
        for last in (6, 5, 4, 3, 2, 1)
    ]


socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_all_addresses_of_an_origin_are_tried(engine, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(MANY_ADDRESSES)
    own = started(engine, tmp_path / engine, env={"PYTHONPATH": str(tmp_path)})
    host, there = own.serve(answering(plain_answer()))  # at 127.0.0.1 alone
    own.change(host, to=origin(there.port, address="many.test"))

    statuses = {status_of(own.edge.ask(get(host))) for _ in range(12)}

    own.close()
    assert statuses == {200}
