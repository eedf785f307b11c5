"""Origins over TLS: the right name, and a certificate of a public authority."""

import ssl
import time
from datetime import UTC, datetime

import pytest
import trustme

from products.edge.errors import EdgeError
from products.edge.tls import origin_tls
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import origin
from tests.products.edge.proxy.test_tunnel import open_tunnel, read_exactly
from tests.products.edge.running import get, handshake, read_all, status_of
from tests.products.edge.scripted import (
    Origin,
    answering,
    plain_answer,
    upgrade_then,
    upgrade_then_echo,
)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority, tmp_path_factory):
    """An edge that trusts the tests' own authority."""
    folder = tmp_path_factory.mktemp("trusting")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    one = Stand(folder, "--ca-file", str(folder / "ca.pem"))
    one.edge.is_shared = True
    yield one
    one.close()


def server_tls(authority, *names, alpn=(), newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if newest:
        context.maximum_version = newest
    seen = []
    context.sni_callback = lambda connection, name, _: seen.append(name)
    return context, seen


def served(stand, context, script=upgrade_then_echo, **to):
    there = Origin(script, context)
    host, _ = stand.serve(to=origin(there.port, use_tls=True, **to))
    return host, there


def test_an_origin_with_a_trusted_certificate_is_reached_by_name(trusting, authority):
    context, seen = server_tls(authority, "localhost")
    host, there = served(trusting, context, address="localhost")

    with open_tunnel(trusting.edge, host) as tunnel:
        tunnel.sendall(b"through TLS")
        assert read_exactly(tunnel, 11) == b"through TLS"

    assert seen == ["localhost"]
    assert f"\r\nHost: {host}\r\n".encode() in there.heads[0]


def test_the_override_host_is_the_name_asked_for_checked_and_sent(trusting, authority):
    context, seen = server_tls(authority, "origin.example")
    host, there = served(trusting, context, override_host="origin.example:8443")

    open_tunnel(trusting.edge, host).close()

    assert seen == ["origin.example"]
    assert there.heads[0].startswith(b"GET / HTTP/1.1\r\nHost: origin.example:8443\r\n")


def test_an_address_is_checked_as_an_address_and_sends_no_name(trusting, authority):
    context, seen = server_tls(authority, "127.0.0.1")
    host, _ = served(trusting, context)

    open_tunnel(trusting.edge, host).close()

    assert seen == [None]


def test_large_amounts_pass_through_tls(trusting, authority):
    context, _ = server_tls(authority, "127.0.0.1")
    host, _ = served(trusting, context, answering(plain_answer(b"z" * 3_000_000)))

    answer = trusting.edge.ask(get(host))

    assert status_of(answer) == 200
    assert answer.endswith(b"z" * 3_000_000)


@pytest.mark.parametrize(
    "names, override, words",
    [
        (("other.example",), None, b"certificate is not valid for"),
        (("localhost",), None, b"certificate is not valid for"),
        (("127.0.0.1",), "other.example", b"certificate is not valid for"),
    ],
)
def test_a_certificate_for_another_name_is_refused(
    trusting, authority, names, override, words
):
    context, _ = server_tls(authority, *names)
    host, there = served(trusting, context, override_host=override)

    answer = trusting.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert b"The origin's certificate was not accepted: " in answer
    assert words in answer
    assert there.heads == []


def test_a_certificate_of_an_unknown_authority_is_refused(trusting):
    context, _ = server_tls(trustme.CA(), "127.0.0.1")
    host, there = served(trusting, context)

    answer = trusting.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert b"unable to get local issuer certificate" in answer
    assert there.heads == []


def test_an_expired_certificate_is_refused(trusting, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old = authority.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    old.configure_cert(context)
    host, there = served(trusting, context)

    answer = trusting.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert b"certificate has expired" in answer
    assert there.heads == []


def test_an_edge_without_a_ca_file_trusts_no_private_authority(shared_stand, authority):
    context, _ = server_tls(authority, "127.0.0.1")
    host, there = served(shared_stand, context)

    assert status_of(shared_stand.edge.ask(handshake(host))) == 502
    assert there.heads == []


def test_the_environment_cannot_widen_trust(stand, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = stand(
        env={"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": str(tmp_path)}
    )
    context, _ = server_tls(authority, "127.0.0.1")
    host, there = served(own, context)

    answer = own.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert there.heads == []


def test_an_origin_without_tls_is_a_bad_gateway(trusting):
    there = Origin(lambda connection, _: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n"))
    host, _ = trusting.serve(to=origin(there.port, use_tls=True))

    assert status_of(trusting.edge.ask(handshake(host))) == 502


@pytest.mark.parametrize("request_of", [get, handshake])
def test_an_origin_that_is_silent_in_its_tls_handshake_times_out(stand, request_of):
    own = stand("--connect-seconds", "0.5")
    there = Origin(lambda connection, origin: read_all(connection))
    host, _ = own.serve(to=origin(there.port, use_tls=True))

    answer = own.edge.ask(request_of(host))

    assert status_of(answer) == 504
    assert EdgeError.ORIGIN_TIMEOUT.sentence().encode() in answer
    there.close()


def test_http11_is_the_only_protocol_offered(trusting, authority):
    context, _ = server_tls(authority, "127.0.0.1", alpn=["h2", "http/1.1"])
    chosen = []

    def script(connection, there):
        chosen.append(connection.selected_alpn_protocol())
        upgrade_then_echo(connection, there)

    host, _ = served(trusting, context, script)
    open_tunnel(trusting.edge, host).close()

    assert chosen == ["http/1.1"]


def test_the_settings_towards_origins_are_strict():
    context = origin_tls()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_tls_origin_that_closes_loses_nothing_on_a_slow_client(trusting, authority):
    context, _ = server_tls(authority, "127.0.0.1")
    host, _ = served(
        trusting, context, upgrade_then(lambda c: c.sendall(b"t" * 8_000_000))
    )

    with open_tunnel(trusting.edge, host) as tunnel:
        time.sleep(0.3)  # let every buffer on the way fill
        received = read_all(tunnel)

    assert received == b"t" * 8_000_000
