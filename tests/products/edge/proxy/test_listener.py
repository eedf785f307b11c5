"""Listeners: limits and deadlines start at accept, and queues are drained at the end."""

import contextlib
import signal
import socket
import ssl
import subprocess
import time

import pytest
import trustme
import uvloop

from products.edge.proxy.listener import Listener
from products.edge.startup import shared_socket
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_certificates import connect, write
from tests.products.edge.running import (
    get,
    handshake,
    is_refused,
    opened_sockets,
    read_all,
    read_until,
    status_of,
)
from tests.products.edge.scripted import (
    answering,
    plain_answer,
    upgrade_then_echo,
)


@pytest.fixture
def secure(tmp_path):
    """Start an edge with a TLS port and a certificate for one.test."""
    authority = trustme.CA()
    folder = tmp_path / "certificates"
    folder.mkdir()
    write(authority, folder, "one.test", "one.test")
    started = []

    def start(*more):
        more = (*more, "--tls-certificates", str(folder))
        started.append(Stand(tmp_path / "edge", *more))
        return started[0], authority

    yield start
    for one in started:
        one.close()


def silent(edge):
    connection = socket.create_connection(("127.0.0.1", edge.tls_port), timeout=20)
    opened_sockets.append(connection)
    return connection


def read_rest(connection):
    with contextlib.suppress(ConnectionResetError):
        read_all(connection)


def is_hung_up(connection):
    connection.settimeout(0.5)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def ask_over_tls(connection, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with context.wrap_socket(connection, server_hostname="one.test") as secured:
        secured.sendall(get("one.test"))
        return read_all(secured)


def status_over_tls(edge, authority):
    try:
        with connect(edge, authority, "one.test") as connection:
            connection.sendall(handshake("one.test"))
            return status_of(read_until(connection, b"\r\n\r\n"))
    except OSError:  # hung up on: the edge has not yet seen that the others have left
        return None


def test_one_address_cannot_take_all_the_descriptors_with_silence(secure):
    own, authority = secure("--handshakes-per-address", "2")
    own.serve(upgrade_then_echo, host="one.test")
    held = [silent(own.edge) for _ in range(5)]

    # They are accepted in no order.
    assert eventually(lambda: sum(map(is_hung_up, held)) == 3)

    for one in held:
        one.close()
    assert eventually(lambda: status_over_tls(own.edge, authority) == 101)


def test_silence_and_a_slow_head_share_one_deadline(secure):
    own, authority = secure("--head-seconds", "3")
    own.serve(upgrade_then_echo, host="one.test")
    began = time.monotonic()
    quiet = silent(own.edge)
    slow = silent(own.edge)
    time.sleep(2)  # of the three seconds, before TLS begins

    context = ssl.create_default_context()
    authority.configure_trust(context)
    with context.wrap_socket(slow, server_hostname="one.test") as connection:
        answer = read_all(connection)
    took = time.monotonic() - began

    assert status_of(answer) == 408
    assert took < 4.8  # not two and three more
    assert is_hung_up(quiet)


def test_clients_in_the_queue_are_served_over_tls_when_the_edge_stops(secure):
    own, authority = secure("--drain-seconds", "20")
    own.serve(answering(plain_answer()), host="one.test")
    (worker,) = own.edge.workers()
    subprocess.run(["/bin/kill", "-STOP", str(worker)], check=True)
    queued = [silent(own.edge) for _ in range(20)]

    own.edge.process.send_signal(signal.SIGTERM)
    subprocess.run(["/bin/kill", "-CONT", str(worker)], check=True)
    eventually(lambda: is_refused(own.edge.tls_port))  # it drains; now they speak

    answers = [ask_over_tls(connection, authority) for connection in queued]
    assert [status_of(answer) for answer in answers] == [200] * 20
    assert own.edge.process.wait(30) == 0


def test_plain_text_and_broken_handshakes_leave_nothing_counted(secure):
    own, authority = secure("--handshakes-per-address", "2")
    for _ in range(10):
        with silent(own.edge) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
            read_rest(connection)

    own.serve(upgrade_then_echo, host="one.test")
    with connect(own.edge, authority, "one.test") as connection:
        connection.sendall(handshake("one.test"))
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101


def test_a_closed_listener_has_accepted_what_waited_in_its_queue():
    accepted = []

    async def close_with_a_queue():
        with shared_socket("127.0.0.1", 0) as held:
            port = held.getsockname()[1]
            listener = Listener(
                "127.0.0.1", port, lambda *connection: accepted.append(connection)
            )
            listener.open()
            # Nothing is awaited from here on, so the loop itself accepts no connection.
            queued = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
            listener.close()
        return {one.getsockname() for one in queued}, queued

    names, queued = uvloop.run(close_with_a_queue())
    assert {peer for _, peer in accepted} == names
    for connection in [*queued, *(one for one, _ in accepted)]:
        connection.close()
