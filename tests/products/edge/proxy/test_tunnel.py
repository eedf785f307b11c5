"""Tunnels: all bytes, in order, both ways, with limits on memory and time."""

import socket
import struct
import threading
import time
from pathlib import Path

from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import (
    get,
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import upgrade_then

MEBIBYTE = 1024 * 1024


def open_tunnel(edge, host):
    connection = edge.connect()
    connection.sendall(handshake(host))
    head = read_until(connection, b"\r\n\r\n")
    assert status_of(head) == 101, head
    return connection


def resident_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_after_the_origins_end_the_client_can_still_send(shared_stand):
    heard = []

    def rest(connection):
        connection.sendall(b"goodbye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    host, _ = shared_stand.serve(upgrade_then(rest))

    with open_tunnel(shared_stand.edge, host) as connection:
        assert read_all(connection) == b"goodbye"
        connection.sendall(b"one last message")
        connection.shutdown(socket.SHUT_WR)
        eventually(lambda: heard)

    assert heard == [b"one last message"]


def test_the_last_frames_of_an_origin_that_closes_are_not_lost(shared_stand):
    """An origin that closes with unread input sends RST; what it said before must arrive."""

    def rest(connection):
        connection.sendall(b"x" * 100_000 + b"last frame")

    host, _ = shared_stand.serve(upgrade_then(rest))

    with open_tunnel(shared_stand.edge, host) as connection:
        received = read_exactly(connection, 100_010)
        connection.sendall(b"close frame")

    assert received.endswith(b"last frame")


def send_until_it_waits(connection):
    sent = 0
    try:
        while sent < 256 * MEBIBYTE:
            sent += connection.send(b"x" * 65_536)
    except TimeoutError:
        return sent
    raise AssertionError("it never had to wait")


def test_an_origin_that_never_reads_does_not_fill_the_edges_memory(shared_stand):
    done = threading.Event()
    host, _ = shared_stand.serve(upgrade_then(lambda connection: done.wait(60)))
    worker = shared_stand.edge.workers()[0]
    before = resident_bytes(worker)

    with open_tunnel(shared_stand.edge, host) as connection:
        connection.settimeout(1)
        sent = send_until_it_waits(connection)
        grown = resident_bytes(worker) - before
        done.set()

    assert sent < 64 * MEBIBYTE
    assert grown < 16 * MEBIBYTE


def test_a_slow_reader_gets_every_byte(shared_stand):
    size = 8 * MEBIBYTE
    host, _ = shared_stand.serve(upgrade_then(lambda c: c.sendall(b"y" * size)))

    with open_tunnel(shared_stand.edge, host) as connection:
        received = len(read_exactly(connection, 1))
        time.sleep(0.2)  # let every buffer on the way fill
        received += len(read_all(connection))

    assert received == size


def test_a_client_that_goes_away_ends_the_origins_side(shared_stand):
    ended = []

    def rest(connection):
        ended.append(read_all(connection))

    host, _ = shared_stand.serve(upgrade_then(rest))
    connection = open_tunnel(shared_stand.edge, host)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    connection.close()  # with a reset

    assert eventually(lambda: ended) in ([b""], [b"<reset>"])
    records = eventually(
        lambda: [
            r for r in shared_stand.portal.of_service(host.replace(".", "-")) if r.final
        ]
    )
    assert len(records) == 1


def test_ordinary_requests_go_on_beside_tunnels(shared_stand, echo_host):
    with open_tunnel(shared_stand.edge, echo_host[0]) as connection:
        assert status_of(shared_stand.edge.ask(get("unknown.test"))) == 404
        connection.sendall(b"x")
        assert read_exactly(connection, 1) == b"x"


def test_a_client_that_disappears_is_not_charged_for_what_it_did_not_get(shared_stand):
    def rest(connection):
        while True:
            connection.sendall(b"f" * MEBIBYTE)

    host, _ = shared_stand.serve(upgrade_then(rest))
    service = host.replace(".", "-")
    connection = open_tunnel(shared_stand.edge, host)

    def stalled():
        """The same reading twice: every buffer on the way is full."""
        before = shared_stand.portal.of_service(service)
        time.sleep(0.5)
        after = shared_stand.portal.of_service(service)
        same = [r.bytes_to_client for r in before] == [r.bytes_to_client for r in after]
        return after if before and same else None

    (last,) = eventually(stalled)
    reset = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    connection.close()
    final = eventually(
        lambda: [r for r in shared_stand.portal.of_service(service) if r.final]
    )

    assert last.bytes_to_client > 100_000
    assert final[0].bytes_to_client == last.bytes_to_client
