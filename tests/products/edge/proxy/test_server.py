"""Limits on connections: what exceeds one is rejected, and other clients are not affected."""

import resource
import select
import subprocess
import sys

import pytest

from products.edge.errors import EdgeError
from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
    get,
    handshake,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import answering, plain_answer


def test_an_origin_that_refuses_connections_is_a_bad_gateway(shared_stand):
    host, there = shared_stand.serve()
    there.close()

    answer = shared_stand.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert EdgeError.ORIGIN_UNREACHABLE.sentence().encode() in answer


def test_a_service_without_an_origin_is_unavailable(shared_stand):
    shared_stand.routes["empty.test"] = None
    del shared_stand.routes["empty.test"]
    shared_stand.change("empty.test", to=None)

    assert status_of(shared_stand.edge.ask(handshake("empty.test"))) == 503
    assert status_of(shared_stand.edge.ask(get("empty.test"))) == 503


def hold_every_place(own, host, start=b""):
    """Open connections that say no more than ``start`` until no place is left for another.

    Gives the ones that hold a place and the status that tells a newcomer so. The kernel hands
    connections over in no order, so a question may take the place meant for a silent one, which
    is then refused itself: one more is opened for each question that was still answered.
    """
    silent = []

    def refused():
        if (status := status_of(own.edge.ask(get(host)))) != 200:
            return status
        silent.append(own.edge.connect())
        silent[-1].sendall(start)
        return None

    status = eventually(refused)
    return silent, status


def still_waiting(connections):
    readable, _, _ = select.select(connections, [], [], 0)
    return len(connections) - len(readable)


@pytest.mark.parametrize(
    "limits, status",
    [
        (("--handshakes", "3", "--handshakes-per-address", "100"), 503),
        (("--handshakes-per-address", "3"), 429),
    ],
    ids=["altogether", "of-one-address"],
)
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\n"], ids=["silent", "begun"])
def test_more_handshakes_than_allowed_are_rejected(stand, limits, status, start):
    own = stand(*limits)
    host, _ = own.serve(answering(plain_answer()))

    waiting, refusal = hold_every_place(own, host, start)

    assert refusal == status
    assert eventually(lambda: still_waiting(waiting) == 3)
    for connection in waiting:
        connection.close()
    assert eventually(lambda: b" 200 OK" in own.edge.ask(get(host)))


def test_open_tunnels_do_not_count_as_handshakes(stand):
    own = stand("--handshakes", "2")
    host, _ = own.serve()

    tunnels = [open_tunnel(own.edge, host) for _ in range(5)]
    for tunnel in tunnels:
        tunnel.sendall(b"x")
        assert read_exactly(tunnel, 1) == b"x"
        tunnel.close()


def test_before_descriptors_run_out_new_clients_get_503_and_tunnels_stay(
    stand, monkeypatch
):
    start = subprocess.Popen

    def with_few_descriptors(arguments, **more):
        few = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (168, 168)); "
        few += "os.execv(sys.argv[1], sys.argv[1:])"
        return start([sys.executable, "-c", few, *arguments], **more)

    monkeypatch.setattr(subprocess, "Popen", with_few_descriptors)
    own = stand()
    host, _ = own.serve()
    tunnels = []

    def is_full():
        connection = own.edge.connect()
        connection.sendall(handshake(host))
        head = read_until(connection, b"\r\n\r\n")
        tunnels.append(connection)
        return status_of(head) == 503

    eventually(is_full)
    tunnels.pop().close()

    assert 10 <= len(tunnels) <= 20  # (168 - 128 spare) / 2
    for tunnel in tunnels:
        tunnel.sendall(b"x")
        assert read_exactly(tunnel, 1) == b"x"
        tunnel.close()
    assert eventually(lambda: b" 101 " in _first_line(own.edge, host))


def test_a_flood_above_all_descriptors_does_not_end_the_listener(stand, monkeypatch):
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 400
    start = subprocess.Popen

    def with_few_descriptors(arguments, **more):
        few = "import resource, os, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150)); "
        few += "os.execv(sys.argv[1], sys.argv[1:])"
        return start([sys.executable, "-c", few, *arguments], **more)

    monkeypatch.setattr(subprocess, "Popen", with_few_descriptors)
    own = stand()
    host, _ = own.serve()
    flood = [own.edge.connect() for _ in range(300)]
    for connection in flood:
        connection.close()

    assert eventually(lambda: b" 101 " in _first_line(own.edge, host))


def _first_line(edge, host):
    with edge.connect() as connection:
        connection.sendall(handshake(host))
        try:
            return read_until(connection, b"\r\n")
        except (AssertionError, ConnectionResetError):
            return b""


@pytest.mark.parametrize(
    "fault", [b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n"]
)
def test_a_faulty_client_harms_no_other(shared_stand, echo_host, fault):
    with open_tunnel(shared_stand.edge, echo_host[0]) as bystander:
        assert status_of(shared_stand.edge.ask(fault)) == 400
        bystander.sendall(b"unharmed")
        assert read_exactly(bystander, 8) == b"unharmed"
