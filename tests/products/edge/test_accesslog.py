"""The customer's log: one line at accept, at its places, and drops that are counted."""

import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from products.edge.accesslog import AccessLog, LogFile
from products.edge.contract import LogEndpoint
from products.edge.dial import origin_tls
from products.edge.handshake import parse_request
from products.edge.logship import LogShipper
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually, route
from tests.products.edge.running import get, handshake, read_exactly, status_of
from tests.products.edge.scripted import answering, plain_answer, upgrade_then_echo
from tests.products.edge.test_tunnel import open_tunnel

AT = 1_795_334_400_000_000


def lines_of(edge, service):
    path = edge.data / "access.jsonl"
    text = path.read_text() if path.exists() else ""
    found = [json.loads(line) for line in text.splitlines()]
    return [line for line in found if line["service"] == service]


def test_the_line_is_written_when_the_request_is_accepted_and_never_again(shared_stand):
    host, _ = shared_stand.serve(upgrade_then_echo)
    service = host.replace(".", "-")
    tunnel = open_tunnel(shared_stand.edge, host)

    (line,) = eventually(lambda: lines_of(shared_stand.edge, service))
    tunnel.sendall(b"x")
    read_exactly(tunnel, 1)
    tunnel.close()
    eventually(lambda: [r for r in shared_stand.portal.of_service(service) if r.final])

    assert len(lines_of(shared_stand.edge, service)) == 1
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "accepted",
        "service": service,
        "client": "127.0.0.1",
        "method": "GET",
        "host": host,
        "path": "/",
        "edge": "edge-1",
    }


def test_a_refused_upgrade_is_logged_with_its_reason(shared_stand):
    host, _ = shared_stand.serve(
        websockets=False, refusal="Acme has not enabled WebSockets."
    )
    shared_stand.edge.ask(handshake(host))

    (line,) = eventually(lambda: lines_of(shared_stand.edge, host.replace(".", "-")))

    assert line["event"] == "refused"
    assert line["reason"] == "Acme has not enabled WebSockets."


def test_an_answer_other_than_101_is_no_accepted_connection(shared_stand):
    host, _ = shared_stand.serve(answering(plain_answer(b"no", b"401 Unauthorized")))

    assert status_of(shared_stand.edge.ask(handshake(host))) == 401
    other, _ = shared_stand.serve(answering(plain_answer()))
    shared_stand.edge.ask(get(other))
    eventually(lambda: lines_of(shared_stand.edge, other.replace(".", "-")))

    assert lines_of(shared_stand.edge, host.replace(".", "-")) == []


def noted(tmp_path, request, **changes):
    shipped = []
    path = tmp_path / "access.jsonl"
    file = LogFile(path)
    log = AccessLog("edge-1", file, lambda *given: shipped.append(given))
    head = parse_request(request)
    log.note(route("a.test", **changes), head, client="192.0.2.7", at_us=AT)
    log.close()
    return path.read_bytes(), shipped


def test_fields_asked_for_are_in_the_line_and_the_query_is_not(tmp_path):
    endpoint = LogEndpoint(
        "https", "log", "https://log.test/", ("User-Agent", "x-none", "X-Two")
    )
    request = get(
        "a.test", "user-agent: tester", "X-Two: 1", "X-Two: 2", target="/path?token=s"
    )

    text, shipped = noted(tmp_path, request, log_endpoints=(endpoint,))

    assert json.loads(text) == {
        "time": "2026-11-22T08:00:00.000000Z",
        "event": "accepted",
        "service": "a-test",
        "client": "192.0.2.7",
        "method": "GET",
        "host": "a.test",
        "path": "/path",
        "edge": "edge-1",
        "fields": {"User-Agent": "tester", "X-Two": "1, 2"},
    }
    assert shipped == [(endpoint, "a-test", text)]


def test_whatever_is_in_a_field_the_line_stays_one_line(tmp_path):
    endpoint = LogEndpoint("https", "log", "https://log.test/", ("X-A",))
    request = get(
        "a.test", 'X-A: \u00e9 \x85 \u2028"}'.encode("utf-8").decode("latin-1")
    )

    text, _ = noted(tmp_path, request, log_endpoints=(endpoint,))

    assert text.count(b"\n") == 1
    assert text.isascii()
    json.loads(text)


def test_a_full_queue_drops_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("products.edge.accesslog._MOST_WAITING", 3)
    file = LogFile(tmp_path / "access.jsonl")

    for number in range(5):
        file.note(b"%d\n" % number)
    file.close()

    assert file.dropped == 2
    assert (tmp_path / "access.jsonl").read_bytes() == b"0\n1\n2\n"


def test_a_disk_that_takes_no_lines_drops_and_counts_them(tmp_path):
    file = LogFile(tmp_path / "nothing" / "access.jsonl")
    file.note(b"line\n")

    file.flush()

    assert file.dropped == 1


def test_a_log_that_was_rotated_away_is_opened_anew(tmp_path):
    path = tmp_path / "access.jsonl"
    file = LogFile(path)
    file.note(b"one\n")
    file.flush()
    path.rename(tmp_path / "old")
    file.note(b"two\n")
    file.close()

    assert (tmp_path / "old").read_bytes() == b"one\n"
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """An edge that trusts a private authority, and that authority."""
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("collector")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    stand = Stand(folder, "--ca-file", str(folder / "ca.pem"))
    stand.edge.is_shared = True
    yield stand, authority
    stand.close()


@contextlib.contextmanager
def https_endpoint(authority, *names, status=200):
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}/in?key=1", bodies
    finally:
        server.shutdown()
        server.server_close()


def test_lines_reach_an_https_endpoint(collector):
    stand, authority = collector
    with https_endpoint(authority, "localhost") as (url, bodies):
        endpoint = LogEndpoint("https", "mine", url, ("User-Agent",))
        host, _ = stand.serve(answering(plain_answer()), log_endpoints=(endpoint,))
        for _ in range(3):
            stand.edge.ask(get(host, "User-Agent: tester"))
        eventually(lambda: b"".join(bodies).count(b"\n") == 3)

    lines = [json.loads(line) for line in b"".join(bodies).splitlines()]
    assert [line["fields"] for line in lines] == [{"User-Agent": "tester"}] * 3
    assert {line["service"] for line in lines} == {host.replace(".", "-")}


def test_lines_reach_a_syslog_endpoint_with_their_length(collector):
    stand, _ = collector
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        endpoint = LogEndpoint("syslog", "mine", address)
        host, _ = stand.serve(answering(plain_answer()), log_endpoints=(endpoint,))
        stand.edge.ask(get(host))
        server.settimeout(20)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            text = b""
            while chunk := connection.recv(4096):
                text += chunk

    length, _, message = text.partition(b" ")
    assert int(length) == len(message)
    head, _, line = message.partition(b"{")
    service = host.replace(".", "-")
    assert head == f"<134>1 - edge-1 tollgate - {service} - ".encode()
    assert json.loads(b"{" + line)["service"] == service


@pytest.mark.parametrize(
    "kind, address",
    [
        ("https", "http://localhost:1/"),
        ("https", "https://localhost:99999/"),
        ("https", "https://[/"),
        ("https", "ftp://localhost/"),
        ("https", ""),
        ("syslog", "localhost"),
        ("syslog", "localhost:port"),
        ("syslog", "localhost:1"),
        ("syslog", "169.254.169.254:80"),
        ("https", "https://169.254.169.254/latest"),
    ],
)
async def test_an_endpoint_that_cannot_be_reached_costs_its_lines_alone(
    kind, address, monkeypatch
):
    monkeypatch.setattr("products.edge.logship._PAUSE_SECONDS", 0)
    shipper = LogShipper("edge-1", origin_tls(), ())

    shipper.ship(LogEndpoint(kind, "bad", address), "s", b"{}\n")
    await shipper.close(20)

    assert shipper.dropped == 1


def test_a_certificate_nobody_trusts_takes_no_lines(collector):
    stand, _ = collector
    with https_endpoint(trustme.CA(), "localhost") as (url, bodies):
        endpoint = LogEndpoint("https", "untrusted", url)
        host, _ = stand.serve(answering(plain_answer()), log_endpoints=(endpoint,))
        stand.edge.ask(get(host))
        eventually(lambda: "Log endpoint untrusted" in stand.edge.log())

    assert bodies == []


async def test_a_slow_endpoint_fills_its_queue_and_no_more(monkeypatch):
    monkeypatch.setattr("products.edge.logship._MOST_WAITING", 10)
    shipper = LogShipper("edge-1", origin_tls(), ())
    endpoint = LogEndpoint("syslog", "slow", "203.0.113.1:514")

    for _ in range(25):
        shipper.ship(endpoint, "s", b"{}\n")

    assert shipper.dropped == 15
    await shipper.close(0)
