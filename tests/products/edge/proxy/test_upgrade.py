"""Upgrades: only the origin's 101 opens a tunnel, no byte is lost, and the table decides."""

import threading

import pytest

from tests.products.edge.fake_portal import eventually, origin
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import switching


def test_the_handshake_reaches_the_origin_and_its_response_comes_back_unchanged(
    shared_stand,
):
    answer = (
        b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nconnection: upgrade\r\n"
        b"UPGRADE:  WebSocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        b"Set-Cookie: a=b\r\nX-Odd:\r\n\r\n"
    )

    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(answer)
        connection.recv(1)

    host, there = shared_stand.serve(script)
    with shared_stand.edge.connect() as connection:
        connection.sendall(
            handshake(
                host,
                "Sec-WebSocket-Extensions: permessage-deflate; x=1",
                "Origin: http://o",
            )
        )
        assert read_exactly(connection, len(answer)) == answer

    assert there.heads == [
        (
            f"GET / HTTP/1.1\r\nHost: {host}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; x=1\r\nOrigin: http://o\r\n"
            "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
            f"X-Forwarded-Host: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"CDN-Loop: tollgate;service={host.replace('.', '-')}\r\n\r\n"
        ).encode()
    ]


def test_what_the_client_sends_before_the_101_arrives_in_order(shared_stand):
    may_answer = threading.Event()

    def script(connection, origin):
        head = origin.read_head(connection)
        may_answer.wait(20)
        connection.sendall(switching(head))
        connection.sendall(read_exactly(connection, 300_000))
        connection.recv(1)

    host, _ = shared_stand.serve(script)
    early = bytes(range(250)) * 1200

    with shared_stand.edge.connect() as connection:
        sender = threading.Thread(
            target=connection.sendall, args=[handshake(host) + early], daemon=True
        )
        sender.start()
        may_answer.set()
        read_until(connection, b"\r\n\r\n")
        assert read_exactly(connection, len(early)) == early
        sender.join(60)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno",
    ],
)
def test_another_response_goes_to_the_client_as_http_and_is_not_a_connection(
    shared_stand, answer
):
    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(answer)
        origin.bodies.append(read_all(connection))

    host, there = shared_stand.serve(script)

    with shared_stand.edge.connect() as connection:
        connection.sendall(handshake(host) + b"more from the client")
        received = read_all(connection)

    assert status_of(received) == status_of(answer)
    assert received.endswith(b"\r\nConnection: close\r\n\r\nno")
    assert b"Upgrade: websocket" not in received
    eventually(lambda: there.bodies)
    assert there.bodies in ([b""], [b"<reset>"])
    service = host.replace(".", "-")
    assert eventually(lambda: shared_stand.portal.delivered(service)[0]) == 1
    assert shared_stand.portal.of_service(service) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.0 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\x00\x01\x02\x03",
        b"",
    ],
)
def test_a_faulty_101_is_a_bad_gateway(shared_stand, answer):
    def script(connection, origin):
        origin.read_head(connection)
        connection.sendall(answer)

    host, _ = shared_stand.serve(script)

    assert status_of(shared_stand.edge.ask(handshake(host))) == 502


def test_a_host_that_changes_its_service_before_the_101_opens_no_tunnel(
    shared_stand,
):
    may_answer = threading.Event()

    def slow(connection, there):
        head = there.read_head(connection)
        may_answer.wait(20)
        connection.sendall(switching(head))
        there.bodies.append(read_all(connection))

    host, there = shared_stand.serve(slow)
    client = shared_stand.edge.connect()
    client.sendall(handshake(host))
    eventually(lambda: there.heads)
    shared_stand.change(host, service="taker")

    may_answer.set()

    answer = read_all(client)
    assert status_of(answer) == 503
    assert answer.endswith(b" was just moved to another service. Try again.\n")
    assert eventually(lambda: there.bodies)[0] in (b"", b"<reset>")
    later, _ = shared_stand.serve()
    open_tunnel(shared_stand.edge, later).close()
    assert eventually(lambda: shared_stand.portal.of_service(later.replace(".", "-")))
    assert shared_stand.portal.of_service("taker") == []
    assert shared_stand.portal.of_service(host.replace(".", "-")) == []


def test_a_deploy_before_the_101_does_not_harm_the_tunnel(shared_stand):
    may_answer = threading.Event()

    def slow(connection, there):
        head = there.read_head(connection)
        may_answer.wait(20)
        connection.sendall(switching(head) + b"from the old one")
        connection.recv(1)

    host, there = shared_stand.serve(slow)
    _, newer = shared_stand.serve()
    client = shared_stand.edge.connect()
    client.sendall(handshake(host))
    eventually(lambda: there.heads)
    shared_stand.change(host, to=origin(newer.port))

    may_answer.set()

    assert status_of(read_until(client, b"\r\n\r\n")) == 101
    assert read_exactly(client, 16) == b"from the old one"


def test_a_service_that_leaves_the_table_keeps_its_tunnels_for_a_while(stand):
    own = stand("--removed-grace-seconds", "1")
    host, _ = own.serve()
    own.serve(host="other.test")
    tunnel = open_tunnel(own.edge, host)

    own.remove(host)

    assert status_of(own.edge.ask(handshake(host))) == 404
    tunnel.sendall(b"x")
    assert read_exactly(tunnel, 1) == b"x"
    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()
