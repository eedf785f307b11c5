"""Both engines: what opens a tunnel, and what changes around it (R1)."""

import pytest

from products.edge.contract import HeaderRule
from products.edge.proxy.http1 import parse_request, require_handshake
from tests.products.edge.contract.speaking import (
    echoes,
    final_record,
    opened,
    service_of,
    values,
)
from tests.products.edge.running import (
    get,
    handshake,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import answering


def test_bytes_pass_both_ways_unchanged_from_the_first_on(stand):
    host, _ = stand.serve()
    data = bytes(range(256)) * 4096
    connection = stand.edge.connect()

    connection.sendall(handshake(host) + b"early")

    with connection:
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101
        assert read_exactly(connection, 5) == b"early"
        assert echoes(connection, data[:60_000])


def test_the_origin_sees_one_whole_handshake(stand):
    host, there = stand.serve()

    opened(stand, host, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: x")[
        0
    ].close()

    head = parse_request(there.heads[0])
    require_handshake(head)
    assert head.upgrade == frozenset({b"websocket"})
    assert head.connection == frozenset({b"upgrade"})
    assert head.named[b"sec-websocket-protocol"] == [b"chat"]
    assert head.named[b"sec-websocket-extensions"] == [b"x"]


def test_only_a_101_opens_a_tunnel(stand):
    refusal = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 3\r\n\r\nno\n"
    host, there = stand.serve(answering(refusal))
    smuggled = get(host, target="/smuggled")

    answer = stand.edge.ask(handshake(host) + smuggled)

    assert status_of(answer) == 426
    assert not any(b"smuggled" in head for head in there.heads)
    assert stand.portal.of_service(service_of(host)) == []


@pytest.mark.parametrize("asked", ["h2c", "TLS/1.0", "websocket2"])
def test_no_other_protocol_is_switched_to_even_if_the_origin_would(stand, asked):
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    host, there = stand.serve(answering(switch))

    answer = stand.edge.ask(get(host, f"Upgrade: {asked}", "Connection: Upgrade"))

    assert status_of(answer) == 502
    assert values(there, "upgrade") == []


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (handshake("HOST").replace(b"GET", b"POST"), 400),
        (handshake("HOST").replace(b"Connection: Upgrade\r\n", b""), 400),
        (handshake("HOST", version="8"), 426),
        (handshake("HOST", key="short"), 400),
        (handshake("HOST", "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw=="), 400),
        (handshake("HOST", "Content-Length: 5") + b"hello", 400),
        (handshake("HOST", "Host: other.test"), 400),
    ],
    ids=["POST", "no Connection", "version 8", "short key", "two keys", "body", "two hosts"],
)  # fmt: skip
def test_a_handshake_not_in_order_reaches_no_origin(stand, request_bytes, status):
    host, there = stand.serve()

    answer = stand.edge.ask(request_bytes.replace(b"HOST", host.encode()))

    assert status_of(answer) == status
    assert there.connections == 0


def test_changing_one_service_touches_no_tunnel_of_another(stand):
    host, there = stand.serve()
    staying, _ = opened(stand, host)

    for number in range(3):
        other, _ = stand.serve(header_rules=(HeaderRule("set", "X-N", str(number)),))
        opened(stand, other)[0].close()

    with staying:
        assert echoes(staying, b"untouched")
    assert there.connections == 1
    assert final_record(stand, host).bytes_from_client >= 9


def test_a_changed_rule_holds_for_the_next_handshake_and_not_for_an_open_tunnel(stand):
    host, there = stand.serve()
    open_before, _ = opened(stand, host)

    stand.change(host, header_rules=(HeaderRule("set", "X-New", "yes"),))

    with open_before:
        opened(stand, host)[0].close()
        assert echoes(open_before, b"goes on")
    assert values(there, "x-new") == ["yes"]
