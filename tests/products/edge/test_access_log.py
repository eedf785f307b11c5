"""The customer's log: one line at accept, at its places, and drops that are counted."""

import json
from typing import Any

from products.edge.access_log import AccessLog, LoggedRequest
from products.edge.contract import RouteLogEndpoint
from products.edge.dns import CachingResolver
from products.edge.proxy.http1 import parse_request
from products.edge.tls import origin_tls
from tests.products.edge.fake_portal import eventually, route
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import get, handshake, read_exactly, status_of
from tests.products.edge.scripted import answering, plain_answer, upgrade_then_echo

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
    log: Any = AccessLog("edge-1", path, origin_tls(), CachingResolver(()))
    log._shipper.ship = lambda *given: shipped.append(given)
    head = parse_request(request)
    wanted = route("a.test", **changes)
    parts = head.method, head.target, head.host, head.named
    log.note(LoggedRequest(wanted, AT, "192.0.2.7", *parts))
    log.flush()
    return path.read_bytes(), shipped


def test_fields_asked_for_are_in_the_line_and_the_query_is_not(tmp_path):
    endpoint = RouteLogEndpoint(
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
    endpoint = RouteLogEndpoint("https", "log", "https://log.test/", ("X-A",))
    request = get(
        "a.test", 'X-A: \u00e9 \x85 \u2028"}'.encode("utf-8").decode("latin-1")
    )

    text, _ = noted(tmp_path, request, log_endpoints=(endpoint,))

    assert text.count(b"\n") == 1
    assert text.isascii()
    json.loads(text)
