"""Limits: slow, many, and too large; each is refused and nobody else suffers."""

import resource
import select
import subprocess
import sys
import threading

import pytest

from tests.products.edge.fake_portal import eventually, origin
from tests.products.edge.running import (
    get,
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.products.edge.scripted import (
    answering,
    plain_answer,
    switching,
    upgrade_then_echo,
)
from tests.products.edge.test_tunnel import open_tunnel


def test_an_unknown_host_gets_404_with_a_sentence(shared_stand):
    answer = shared_stand.edge.ask(get("nobody.test"))

    assert status_of(answer) == 404
    assert answer.endswith(
        b"\r\n\r\nNo service here answers for the host nobody.test.\n"
    )


def test_an_upgrade_without_entitlement_gets_403_with_the_reason(shared_stand):
    host, there = shared_stand.serve(
        websockets=False, refusal="Acme has not enabled WebSockets."
    )

    answer = shared_stand.edge.ask(handshake(host))

    assert status_of(answer) == 403
    assert b"Content-Type: text/plain" in answer
    assert answer.endswith(b"\r\n\r\nAcme has not enabled WebSockets.\n")
    assert there.connections == 0


def test_ordinary_requests_pass_without_entitlement(shared_stand):
    host, _ = shared_stand.serve(
        answering(plain_answer()), websockets=False, refusal="Off."
    )

    answer = shared_stand.edge.ask(get(host))

    assert status_of(answer) == 200
    assert answer.endswith(b"hello")


def test_an_origin_that_refuses_connections_is_a_bad_gateway(shared_stand):
    host, there = shared_stand.serve()
    there.close()

    answer = shared_stand.edge.ask(handshake(host))

    assert status_of(answer) == 502
    assert answer.endswith(b"\r\n\r\nThe origin could not be reached.\n")


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
def test_more_handshakes_than_allowed_are_told_to_come_back(
    stand, limits, status, start
):
    own = stand(*limits)
    host, _ = own.serve(answering(plain_answer()))

    waiting, refusal = hold_every_place(own, host, start)

    assert refusal == status
    assert eventually(lambda: still_waiting(waiting) == 3)
    for connection in waiting:
        connection.close()
    assert eventually(lambda: b" 200 OK" in own.edge.ask(get(host)))


def test_open_tunnels_are_no_handshakes_in_flight(stand):
    own = stand("--handshakes", "2")
    host, _ = own.serve()

    tunnels = [open_tunnel(own.edge, host) for _ in range(5)]
    for tunnel in tunnels:
        tunnel.sendall(b"x")
        assert read_exactly(tunnel, 1) == b"x"
        tunnel.close()


def test_before_descriptors_run_out_newcomers_get_503_and_tunnels_stay(
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
def test_a_faulty_client_harms_nobody_else(shared_stand, echo_host, fault):
    with open_tunnel(shared_stand.edge, echo_host[0]) as bystander:
        assert status_of(shared_stand.edge.ask(fault)) == 400
        bystander.sendall(b"unharmed")
        assert read_exactly(bystander, 8) == b"unharmed"


def test_a_table_that_switches_a_service_off_stops_new_handshakes_only(shared_stand):
    host, _ = shared_stand.serve(upgrade_then_echo)
    tunnel = open_tunnel(shared_stand.edge, host)

    shared_stand.change(
        host, websockets=False, refusal="Switched off.", open_connections="keep"
    )

    assert status_of(shared_stand.edge.ask(handshake(host))) == 403
    tunnel.sendall(b"kept")
    assert read_exactly(tunnel, 4) == b"kept"
    tunnel.close()


def test_a_host_that_changes_its_service_while_the_origin_thinks_opens_no_tunnel(
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
    assert answer.endswith(b" has just gone to another service.\n")
    assert eventually(lambda: there.bodies)[0] in (b"", b"<reset>")
    later, _ = shared_stand.serve()
    open_tunnel(shared_stand.edge, later).close()
    assert eventually(lambda: shared_stand.portal.of_service(later.replace(".", "-")))
    assert shared_stand.portal.of_service("taker") == []
    assert shared_stand.portal.of_service(host.replace(".", "-")) == []


def test_a_deploy_while_the_origin_thinks_does_not_harm_the_tunnel(shared_stand):
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


def test_a_table_that_cuts_ends_the_tunnels_of_that_service_alone(
    shared_stand, echo_host
):
    host, _ = shared_stand.serve(upgrade_then_echo)
    doomed = open_tunnel(shared_stand.edge, host)
    bystander = open_tunnel(shared_stand.edge, echo_host[0])

    shared_stand.change(host, websockets=False, refusal="Off.", open_connections="cut")

    assert read_all(doomed) in (b"", b"<reset>")
    bystander.sendall(b"unharmed")
    assert read_exactly(bystander, 8) == b"unharmed"
    doomed.close()
    bystander.close()
    service = host.replace(".", "-")
    assert eventually(
        lambda: [r for r in shared_stand.portal.of_service(service) if r.final]
    )


def test_a_table_that_drains_ends_the_tunnels_at_the_instant_it_names(shared_stand):
    host, _ = shared_stand.serve(upgrade_then_echo)
    tunnel = open_tunnel(shared_stand.edge, host)

    later = {"websockets": False, "refusal": "Off.", "open_connections": "drain"}
    shared_stand.change(host, **later, drain_until="2099-01-01T00:00:00Z")
    tunnel.sendall(b"draining")
    assert read_exactly(tunnel, 8) == b"draining"
    shared_stand.change(host, **later, drain_until="2020-01-01T00:00:00Z")

    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()


def test_a_service_that_leaves_the_table_keeps_its_tunnels_for_a_while(stand):
    own = stand("--gone-seconds", "1")
    host, _ = own.serve()
    own.serve(host="other.test")
    tunnel = open_tunnel(own.edge, host)

    own.remove(host)

    assert status_of(own.edge.ask(handshake(host))) == 404
    tunnel.sendall(b"x")
    assert read_exactly(tunnel, 1) == b"x"
    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()


def test_a_change_of_another_service_touches_no_tunnel(shared_stand, echo_host):
    host, _ = shared_stand.serve(answering(plain_answer()))
    with open_tunnel(shared_stand.edge, echo_host[0]) as tunnel:
        shared_stand.change(host, refusal="Off.", websockets=False)
        shared_stand.remove(host)
        tunnel.sendall(b"still")
        assert read_exactly(tunnel, 5) == b"still"
