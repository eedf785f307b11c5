"""HAProxy accepts more than the embedded engine, but what it sends to origins is strict.

For each input the origin receives at most one request, and it is not ambiguous.
"""

import contextlib

import pytest

from products.edge.proxy.http1 import parse_request, require_handshake
from tests.products.edge.conftest import Stand
from tests.products.edge.contract.speaking import service_of
from tests.products.edge.haproxy.haproxy_stand import engine
from tests.products.edge.proxy import test_http1, test_smuggling
from tests.products.edge.running import get, status_of
from tests.products.edge.scripted import plain_answer, switching

pytestmark = pytest.mark.haproxy

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    times = ["--head-seconds", "0.5", "--quiet-seconds", "0.5"]
    stand = Stand(folder, *engine(), *times)
    stand.edge.is_shared = True

    def script(connection, there):
        connection.settimeout(0.2)
        while True:
            head = there.read_head(connection)
            if b"upgrade: websocket" in head:
                connection.sendall(switching(head))
                return
            with contextlib.suppress(TimeoutError):
                while body := connection.recv(65_536):
                    there.bodies.append(body)
            connection.sendall(plain_answer())

    host, there = stand.serve(script)
    yield stand, host, there
    stand.close()


@pytest.mark.parametrize("name", test_smuggling.CORPUS)
def test_no_request_hides_in_another(shared, name):
    stand, host, there = shared
    raw, _ = test_smuggling.CORPUS[name]
    before = len(there.heads)

    stand.edge.ask(raw.replace(test_smuggling.HOST, host.encode()))

    seen = there.heads[before:]
    assert len(seen) <= 1
    assert not any(head.startswith(b"GET /hidden") for head in seen)
    for head in seen:
        assert parse_request(head).host == host


@pytest.mark.parametrize("name", test_http1.WRONG_HANDSHAKES)
def test_an_invalid_handshake_is_refused_or_reaches_the_origin_as_a_valid_one(
    shared, name
):
    stand, host, there = shared
    raw, _ = test_http1.WRONG_HANDSHAKES[name]
    before = len(there.heads)

    answer = stand.edge.ask(raw.replace(test_http1.HOST.encode(), host.encode()))

    seen = there.heads[before:]
    assert len(seen) <= 1
    assert answer.startswith(b"HTTP/1.1 101 ") == bool(seen), answer
    for head in seen:
        read = parse_request(head)
        require_handshake(read)
        assert read.host == host


def test_http_2_without_tls_is_refused(shared):
    stand, _, _ = shared

    assert status_of(stand.edge.ask(PREFACE)) == 400


def test_a_target_in_absolute_form_becomes_a_path(shared):
    stand, host, there = shared

    stand.edge.ask(get(host, target=f"http://{host}/a/path?with=query"))

    assert there.heads[-1].startswith(b"GET /a/path?with=query HTTP/1.1\r\n")


def test_no_other_service_has_a_usage_record(shared):
    stand, host, _ = shared

    services = {record.service for record in stand.portal.connections.values()}

    assert services <= {service_of(host)}
