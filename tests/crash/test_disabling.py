"""Disabled in the portal, refused at the edge: how long it takes, and what becomes of open tunnels."""

import time

import pytest

from tests.crash.browserless import Visitor
from tests.crash.portal import HOST
from tests.products.edge.running import (
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.stories.stack import REACH_SECONDS, within

TIMES = 20


@pytest.fixture
def sam(portal):
    """Return Acme's superuser, signed in and confirmed."""
    person = portal.stack.person("superuser")
    visitor = Visitor(portal.url, person["login"], person["password"])
    visitor.confirm("/products/websockets/disable/")
    return visitor


def opened(edge):
    """Try a handshake; return the connection and the status."""
    connection = edge.connect()
    connection.sendall(handshake(HOST))
    return connection, status_of(read_until(connection, b"\r\n\r\n"))


def answers(edge, status):
    """Tell whether a handshake is answered so now."""
    connection, answered = opened(edge)
    connection.close()
    return answered == status


def reach(edge, status):
    """Wait until handshakes are answered so, and return the seconds that took."""
    began = time.monotonic()
    within(2 * REACH_SECONDS, f"answers {status}", lambda: answers(edge, status))
    return time.monotonic() - began


def test_a_product_that_is_disabled_is_refused_at_the_edge_and_its_tunnels_are_cut(
    sam, real_edge, note
):
    edge = real_edge("--poll-seconds", "1")
    refused, gone = [], []

    for _ in range(TIMES):
        reach(edge, 101)
        tunnel, status = opened(edge)
        tunnel.sendall(b"here")
        assert (status, read_exactly(tunnel, 4)) == (101, b"here")

        sam.submit("/products/websockets/disable/", closing="cut", typed="WebSockets")
        began = time.monotonic()
        refused.append(reach(edge, 403))
        assert read_all(tunnel) in {b"", b"<reset>"}
        gone.append(time.monotonic() - began)
        sam.submit("/products/websockets/enable/", agree="on")
    reach(edge, 101)

    slowest, cut = max(refused), max(gone)  # of twenty, the slowest is above the p99
    note(
        f"{TIMES} times: refused within {slowest:.2f} s, tunnels gone within {cut:.2f} s"
    )
    assert slowest <= REACH_SECONDS
    assert cut <= REACH_SECONDS


@pytest.mark.nightly
def test_a_service_that_is_switched_off_through_the_api_is_refused_at_the_edge(
    portal, real_edge, note
):
    edge = real_edge("--poll-seconds", "1")
    echo = portal.stack.service("echo")
    path = f"/enabled-products/v1/websockets/services/{echo}"
    refused = []

    for _ in range(TIMES):
        reach(edge, 101)
        assert portal.stack.api("DELETE", path, "engineer")[0] == 204
        refused.append(reach(edge, 403))
        assert portal.stack.api("PUT", path, "engineer")[0] == 200
    reach(edge, 101)

    note(f"{TIMES} times: refused within {max(refused):.2f} s")
    assert max(refused) <= REACH_SECONDS
