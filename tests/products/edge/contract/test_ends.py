"""Both engines: how a tunnel fills and how it ends (R1)."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from products.edge.errors import EdgeError
from tests.products.edge.contract.speaking import (
    AUTHORITY,
    echoes,
    final_record,
    opened,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import (
    get,
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import switching, upgrade_then

MEBIBYTE = 1024 * 1024


def resident_bytes(stand):
    """Sum what the edge's processes hold: its own, and HAProxy's, found by its folder."""
    mine = str(stand.edge.data).encode()
    whole = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mine in (folder / "cmdline").read_bytes():
                whole += int((folder / "statm").read_text().split()[1]) * 4096
        except OSError:
            continue
    return whole


def test_after_the_clients_end_the_origin_can_still_speak(stand):
    def rest(connection):
        asked = read_all(connection)
        connection.sendall(b"answer to " + asked + b"x" * MEBIBYTE)

    host, _ = stand.serve(upgrade_then(rest))

    with opened(stand, host)[0] as connection:
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        received = read_all(connection)

    assert received == b"answer to question" + b"x" * MEBIBYTE
    assert final_record(stand, host).bytes_to_client >= MEBIBYTE


def test_all_that_an_origin_said_before_its_end_arrives(stand):
    def rest(connection):
        connection.sendall(b"x" * MEBIBYTE + b"goodbye")
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)

    host, _ = stand.serve(upgrade_then(rest))

    with opened(stand, host)[0] as connection:
        assert read_all(connection) == b"x" * MEBIBYTE + b"goodbye"
    assert final_record(stand, host).bytes_to_client >= MEBIBYTE


def test_an_answer_that_comes_byte_by_byte_with_frames_behind_it_is_whole(stand):
    def script(connection, there):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in switching(there.read_head(connection)) + b"first frame":
            connection.sendall(bytes([byte]))
            time.sleep(0.001)
        connection.recv(1)

    host, _ = stand.serve(script)

    with opened(stand, host)[0] as connection:
        assert read_exactly(connection, 11) == b"first frame"


def test_a_client_that_never_reads_does_not_fill_the_edges_memory(stand):
    sent = [0]

    def rest(connection):
        connection.settimeout(1)
        try:
            while sent[0] < 256 * MEBIBYTE:
                sent[0] += connection.send(b"x" * 65_536)
        except TimeoutError:
            sent.append(-1)

    host, _ = stand.serve(upgrade_then(rest))
    before = resident_bytes(stand)

    with opened(stand, host)[0]:
        eventually(lambda: len(sent) == 2, 60)
        grown = resident_bytes(stand) - before

    assert sent[0] < 64 * MEBIBYTE
    assert grown < (16 if stand.engine == "embedded" else 24) * MEBIBYTE


def test_a_quiet_tunnel_ends_and_one_that_speaks_lives_on(impatient):
    host, _ = impatient.serve()
    quiet, _ = opened(impatient, host)
    busy, _ = opened(impatient, host)
    quiet.settimeout(0.05)

    def quiet_has_ended():
        assert echoes(busy, b".")
        try:
            return quiet.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    with quiet, busy:
        eventually(quiet_has_ended)
        assert echoes(busy, b"still here")


def test_a_half_open_tunnel_ends_when_nothing_more_comes(impatient):
    done = threading.Event()
    host, _ = impatient.serve(upgrade_then(lambda connection: done.wait(60)))

    with opened(impatient, host)[0] as connection:
        connection.shutdown(socket.SHUT_WR)
        rest = read_all(connection)

    assert rest in (b"", b"<reset>")
    assert not done.is_set()
    done.set()


def test_a_full_edge_refuses_new_tunnels_and_keeps_its_own(few_connections):
    host, _ = few_connections.serve()
    tunnels = []

    def refusal():
        """Open one more tunnel; return the response if the edge is full."""
        connection = few_connections.edge.connect()
        connection.sendall(handshake(host))
        if status_of(read_until(connection, b"\r\n\r\n")) == 101:
            tunnels.append(connection)
            return b""
        with connection:
            return read_all(connection)

    assert eventually(refusal) == EdgeError.CONNECTION_LIMIT.sentence().encode() + b"\n"
    assert 1 <= len(tunnels) <= 4
    assert all(echoes(tunnel, b"still here") for tunnel in tunnels)
    tunnels.pop().close()
    eventually(lambda: not refusal())


def test_a_silent_client_counts_against_its_address_and_a_tunnel_does_not(
    few_handshakes,
):
    host, _ = few_handshakes.serve()
    tunnels = [opened(few_handshakes, host)[0] for _ in range(4)]
    there = ("127.0.0.1", few_handshakes.edge.tls_port)
    silent = [socket.create_connection(there, timeout=20) for _ in range(3)]

    answer = eventually(lambda: refused_for_its_address(few_handshakes, host))

    assert answer.endswith(b"\r\n\r\nToo many open requests from this address.\n")
    assert all(echoes(tunnel, b"still here") for tunnel in tunnels)
    for connection in silent:
        connection.close()
    eventually(lambda: not refused_for_its_address(few_handshakes, host))


def test_responses_that_are_read_slowly_count_against_their_address(few_handshakes):
    ended = threading.Event()

    def script(connection, there):
        there.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nstart")
        ended.wait(60)

    slow, _ = few_handshakes.serve(script)
    host, _ = few_handshakes.serve()
    downloads = [few_handshakes.edge.connect() for _ in range(3)]
    for connection in downloads:
        connection.sendall(get(slow))
        assert read_until(connection, b"start")

    answer = eventually(lambda: refused_for_its_address(few_handshakes, host))

    assert answer.endswith(b"\r\n\r\nToo many open requests from this address.\n")
    ended.set()
    for connection in downloads:
        connection.close()
    eventually(lambda: not refused_for_its_address(few_handshakes, host))


def refused_for_its_address(stand, host):
    with stand.edge.connect() as connection:
        connection.sendall(handshake(host))
        head = read_until(connection, b"\r\n\r\n")
        return head + read_all(connection) if status_of(head) == 429 else b""


def test_a_head_that_comes_in_drops_is_cut_off_whatever_still_drops(impatient):
    ended = threading.Event()

    def drip(connection):
        while not ended.wait(0.1):
            try:
                connection.sendall(b"X-Drop: y\r\n")
            except OSError:
                return

    with impatient.edge.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        dripping = threading.Thread(target=drip, args=[connection], daemon=True)
        dripping.start()
        began = time.monotonic()
        answer = read_all(connection)
        ended.set()
        dripping.join(20)

    assert status_of(answer) == 408
    assert 1 < time.monotonic() - began < 10


def test_an_origin_that_does_not_answer_a_handshake_is_given_up(impatient):
    done = threading.Event()
    host, _ = impatient.serve(lambda connection, there: done.wait(60))

    answer = impatient.edge.ask(handshake(host))

    assert status_of(answer) == 504
    assert EdgeError.ORIGIN_TIMEOUT.sentence().encode() in answer
    done.set()


def test_a_websocket_passes_over_tls_with_the_domains_certificate(impatient):
    host, there = impatient.serve(host="one.test")

    with over_tls(impatient, "one.test") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"  # h2 is not spoken
        connection.sendall(handshake(host) + b"early")
        assert status_of(read_until(connection, b"\r\n\r\n")) == 101
        assert read_exactly(connection, 5) == b"early"
        assert echoes(connection, b"x" * 300_000)

    assert b"\r\nx-forwarded-proto: https\r\n" in there.heads[0].lower()


def test_a_name_without_a_certificate_gets_no_handshake(impatient):
    with pytest.raises(ssl.SSLError):
        over_tls(impatient, "other.test")


def over_tls(stand, name):
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", stand.edge.tls_port), timeout=20)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except ssl.SSLError:
        plain.close()
        raise
