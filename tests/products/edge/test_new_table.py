"""A new route table: whom it refuses from then on, what it ends, and what it leaves alone."""

import threading

from tests.products.edge.fake_portal import eventually, origin
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import (
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


def test_a_table_that_switches_a_service_off_stops_new_handshakes_only(shared_stand):
    host, _ = shared_stand.serve(upgrade_then_echo)
    tunnel = open_tunnel(shared_stand.edge, host)

    shared_stand.change(
        host, websockets=False, refusal="Switched off.", drain_mode="keep"
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
    assert answer.endswith(b" was just moved to another service. Try again.\n")
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

    shared_stand.change(host, websockets=False, refusal="Off.", drain_mode="cut")

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

    later = {"websockets": False, "refusal": "Off.", "drain_mode": "drain"}
    shared_stand.change(host, **later, drain_until="2099-01-01T00:00:00Z")
    tunnel.sendall(b"draining")
    assert read_exactly(tunnel, 8) == b"draining"
    shared_stand.change(host, **later, drain_until="2020-01-01T00:00:00Z")

    assert read_all(tunnel) in (b"", b"<reset>")
    tunnel.close()


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


def test_a_change_of_another_service_touches_no_tunnel(shared_stand, echo_host):
    host, _ = shared_stand.serve(answering(plain_answer()))
    with open_tunnel(shared_stand.edge, echo_host[0]) as tunnel:
        shared_stand.change(host, refusal="Off.", websockets=False)
        shared_stand.remove(host)
        tunnel.sendall(b"still")
        assert read_exactly(tunnel, 5) == b"still"
