"""The gate of a fleet stays prompt whatever else the agent has to do."""

import json
import signal

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually, origin, route
from tests.products.edge.running import Edge, handshake, read_until

pytestmark = pytest.mark.haproxy


@pytest.fixture
def fleet(tmp_path):
    one = Stand(tmp_path, "--engine", "haproxy", "--haproxy", program("haproxy"))
    yield one
    one.close()


def first_line(edge, host):
    with edge.connect() as connection:
        connection.sendall(handshake(host))
        return read_until(connection, b"\r\n").rstrip()


def test_names_that_do_not_resolve_hold_up_no_refusal(fleet):
    host, _ = fleet.serve()
    slow = [
        route(f"slow-{number}.test", origin(80, address=f"n{number}.invalid"))
        for number in range(64)
    ]
    off = route(host, fleet.routes[host].origin, websockets=False, refusal="Off.")

    fleet.portal.publish(off, *slow)

    eventually(lambda: first_line(fleet.edge, host) == b"HTTP/1.1 403 Forbidden", 5)


def test_a_full_spool_refuses_new_tunnels_and_says_so(tmp_path):
    more = ["--engine", "haproxy", "--haproxy", program("haproxy")]
    stand = Stand(tmp_path, *more, "--spool-megabytes", "0")
    host, there = stand.serve()

    eventually(lambda: b" 503 " in first_line(stand.edge, host))
    seen = len(there.heads)

    answer = stand.edge.ask(handshake(host))

    assert answer.endswith(
        b"This edge cannot record usage now and takes no new connections.\n"
    )
    assert len(there.heads) == seen
    assert stand.close() == 0


def test_two_edges_of_one_name_do_not_run_beside_each_other(fleet, tmp_path):
    more = ["--engine", "haproxy", "--haproxy", program("haproxy")]

    second = Edge(fleet.portal, tmp_path, *more, wait=False)

    assert second.process.wait(20) == 1
    assert "Another edge named edge-1 runs with this data folder." in second.log()


def test_without_haproxy_the_edge_says_what_brings_it(fleet, tmp_path):
    missing = [
        "--engine",
        "haproxy",
        "--haproxy",
        "/nowhere/haproxy",
        "--name",
        "edge-2",
    ]

    second = Edge(fleet.portal, tmp_path / "two", *missing, wait=False)

    assert second.process.wait(20) == 1
    assert "apt-get install haproxy" in second.log()


def test_beside_a_haproxy_run_by_another_the_agent_alone_stops(fleet, tmp_path):
    host, _ = fleet.serve()
    fleet.edge.process.kill()
    fleet.edge.process.wait()
    more = ["--engine", "haproxy", "--haproxy", program("haproxy")]
    bind = ["--bind", f"127.0.0.1:{fleet.edge.port}"]
    beside = Edge(fleet.portal, tmp_path, *more, *bind, "--haproxy-runs", "beside")
    connection = beside.connect()
    connection.sendall(handshake(host))
    assert connection.recv(12) == b"HTTP/1.1 101"
    eventually(lambda: fleet.portal.of_service(host.replace(".", "-")))

    beside.process.send_signal(signal.SIGTERM)

    assert beside.process.wait(20) == 0
    connection.recv(1000)
    connection.sendall(b"on")
    assert connection.recv(2) == b"on"
    connection.close()
    fleet.edge = Edge(fleet.portal, tmp_path, *more, *bind)

    def final():
        (record,) = fleet.portal.of_service(host.replace(".", "-"))
        return record if record.final else None

    assert eventually(final).bytes_to_client > 2
    boots = json.loads((fleet.edge.data / "haproxy" / "boot.json").read_text())
    assert final().id.split(".")[1] == boots["boot"]
