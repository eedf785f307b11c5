"""Probing a backend by its Address: looked up once, and never dialled where that is refused."""

import socket
from functools import partial

import pytest

from products.deploy.origin_probe import ProbeResult, probe_origin
from tests.products.edge.origins import (
    LOOPBACK_ALLOWED,
    NAME,
    certified,
    origin,
    with_tls,
)


def abort_all(connection):
    connection.recv(65536)


@pytest.fixture
def probe(ca_file):
    """Return `probe_origin` for the name of the test's certificates, with loopback allowed."""
    return partial(
        probe_origin, name=NAME, allowed_private=LOOPBACK_ALLOWED, ca_file=ca_file
    )


def test_a_loopback_listener_sees_no_connection_when_loopback_is_not_allowed(ca_file):
    with origin(abort_all) as server:
        results = [
            probe_origin(address, server.port, name=NAME, ca_file=ca_file)
            for address in (
                "127.0.0.1", "::ffff:127.0.0.1", "localhost", "2130706433",
            )
        ]  # fmt: skip
        seen = server.close()

    refused = ProbeResult(
        "refused_address", "The address is not a public one: loopback."
    )
    assert results == [refused] * 4
    assert seen == 0


def test_a_host_is_probed_at_the_address_it_was_found_at(authority, probe):
    context = certified(authority.issue_cert(NAME))
    questions = []

    def look_up(host, port):
        questions.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with origin(with_tls(context)) as server:
        result = probe("rebinding.example", server.port, look_up=look_up)

    assert result.kind == "ok"
    assert questions == ["rebinding.example"]


def test_the_next_address_is_tried_when_one_does_not_answer(authority, probe):
    context = certified(authority.issue_cert(NAME))

    def look_up(host, port):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]

    with origin(with_tls(context)) as server:
        result = probe("two.example", server.port, look_up=look_up)

    assert result.kind == "ok"


def test_a_backends_address_may_be_an_ip_address(authority, probe):
    context = certified(authority.issue_cert(NAME))

    with origin(with_tls(context)) as server:
        result = probe("127.0.0.1", server.port)

    assert result.kind == "ok"


def test_a_host_without_an_address_is_unreachable():
    result = probe_origin("nowhere.example", 443, name=NAME, look_up=lambda *_: [])

    assert result == ProbeResult("unreachable", "The host name has no address.")
