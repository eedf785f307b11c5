"""Slots: slow ordinary requests count for their address, and do not keep WebSockets out."""

from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import get, read_all, status_of
from tests.products.edge.scripted import upgrade_then_echo


def read_head_then_wait(connection, origin):
    origin.read_head(connection)
    read_all(connection)


def slow_upload(edge, host):
    connection = edge.connect()
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\n\r\n"
    connection.sendall(head.encode() + b"slow")
    return connection


def test_slow_bodies_do_not_keep_websockets_out(stand):
    own = stand("--handshakes", "2")
    slow, there = own.serve(read_head_then_wait)
    quick, _ = own.serve(upgrade_then_echo)
    uploads = []
    for number in range(1, 6):
        uploads.append(slow_upload(own.edge, slow))
        eventually(lambda n=number: len(there.heads) == n)

    open_tunnel(own.edge, quick).close()

    assert len(uploads) == 5


def test_slow_bodies_count_against_their_address(stand):
    own = stand("--handshakes-per-address", "3")
    slow, there = own.serve(read_head_then_wait)
    uploads = [slow_upload(own.edge, slow) for _ in range(3)]
    eventually(lambda: len(there.heads) == 3)

    assert status_of(own.edge.ask(get(slow))) == 429

    for connection in uploads:
        connection.close()
    assert eventually(lambda: status_of(own.edge.ask(get("unknown.test"))) == 404)
