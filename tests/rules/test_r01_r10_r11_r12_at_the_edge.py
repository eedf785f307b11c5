"""R1, R10, R11, R12: how a connection is handled, on a real edge."""

import json

from products.edge.contract import HeaderRule
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import (
    get,
    handshake,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import answering, plain_answer

ENTITLED = {"websockets": True}
REFUSED = {
    "websockets": False,
    "refusal": "WebSockets is not enabled for this account.",
}
EVERY_BYTE = bytes(range(256)) * 64


def opened(stand, host, *more):
    """Open a tunnel, and return it after the answer's head."""
    connection = stand.edge.connect()
    connection.sendall(handshake(host, *more))
    assert status_of(read_until(connection, b"\r\n\r\n")) == 101
    return connection


def logged(stand, service):
    """Return the customer's log lines of a service."""
    log = stand.edge.data / "access.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line for line in map(json.loads, lines) if line["service"] == service]


def test_r1_each_client_has_one_connection_to_the_origin_and_what_flows_is_untouched(
    shared_stand,
):
    host, origin = shared_stand.serve(**ENTITLED)

    with opened(shared_stand, host) as one, opened(shared_stand, host) as other:
        one.sendall(EVERY_BYTE)
        assert read_exactly(one, len(EVERY_BYTE)) == EVERY_BYTE
        other.sendall(b"second")
        assert read_exactly(other, 6) == b"second"

        assert origin.connections == 2


def test_r10_the_log_line_is_written_when_the_request_is_accepted(shared_stand):
    host, _ = shared_stand.serve(**ENTITLED)
    service = shared_stand.routes[host].service

    with opened(shared_stand, host):
        line = eventually(lambda: logged(shared_stand, service))

        assert [each["event"] for each in line] == ["accepted"]
        assert set(line[0]) & {"duration", "bytes", "bytes_in", "bytes_out"} == set()
    # The connection has ended since, and nothing was added: another one is logged after it.
    with opened(shared_stand, host):
        lines = eventually(lambda: logged(shared_stand, service)[1:])
    assert [each["event"] for each in lines] == ["accepted"]


def test_r11_the_origin_sees_the_headers_that_the_service_sets_and_removes(
    shared_stand,
):
    rules = (
        HeaderRule(action="set", name="X-Tenant", value="acme"),
        HeaderRule(action="delete", name="X-Secret"),
    )
    host, origin = shared_stand.serve(**ENTITLED, header_rules=rules)

    opened(shared_stand, host, "X-Secret: client's", "X-Tenant: forged").close()

    head = origin.heads[-1].lower()
    assert b"x-tenant: acme\r\n" in head
    assert b"forged" not in head
    assert b"x-secret" not in head


def test_r12_without_entitlement_there_is_no_upgrade_and_no_connection_to_the_origin(
    shared_stand,
):
    host, origin = shared_stand.serve(**REFUSED)

    answer = shared_stand.edge.ask(handshake(host))

    assert status_of(answer) == 403
    assert answer.endswith(b"\r\n\r\nWebSockets is not enabled for this account.\n")
    assert origin.connections == 0


def test_r12_ordinary_requests_are_not_affected(shared_stand):
    host, _ = shared_stand.serve(answering(plain_answer()), **REFUSED)

    answer = shared_stand.edge.ask(get(host))

    assert status_of(answer) == 200
    assert answer.endswith(b"hello")
