"""The gate of a fleet stays prompt whatever else the agent has to do."""

import pytest

from tests.ci_rules import program
from tests.products.edge.conftest import Stand
from tests.products.edge.fake_portal import eventually, origin, route
from tests.products.edge.running import Edge, handshake, read_until

pytestmark = pytest.mark.haproxy


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
