"""HAProxy or its agent is killed: the promises of docs/haproxy-engine.md, with the real portal."""

import os
import signal
import time
from collections import Counter

import pytest

from tests.ci_rules import program
from tests.crash.counting import all_are_final, final_rows
from tests.crash.portal import HOST
from tests.products.edge.running import (
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.stories.stack import within

pytestmark = pytest.mark.haproxy

TUNNELS = 20
SIZE = 10_000  # bytes of a message each way, far more than request and response headers
HEADS = 400  # bytes of those headers at most; HAProxy counts them in its own way
FRESH_SECONDS = 5.0  # the age of HAProxy's tables; a tick comes on top


@pytest.fixture
def haproxy_edge(real_edge):
    """Return a function that starts an edge with the HAProxy engine; it is killed after the test."""
    edges = []

    def start(*more):
        more = ("--engine", "haproxy", "--haproxy", program("haproxy"), *more)
        edges.append(real_edge(*more))
        return edges[-1]

    yield start
    for edge in edges:
        for process in edge.haproxies():
            os.kill(process, signal.SIGKILL)


def request_tunnel(edge):
    """Request a tunnel, and return the status."""
    with edge.connect() as tunnel:
        tunnel.sendall(handshake(HOST))
        return status_of(read_until(tunnel, b"\r\n\r\n"))


def open_tunnel(edge):
    """Open a tunnel."""
    tunnel = edge.connect()
    tunnel.sendall(handshake(HOST))
    assert status_of(read_until(tunnel, b"\r\n\r\n")) == 101
    return tunnel


def echo(tunnel):
    """Send bytes through a tunnel and receive them again."""
    tunnel.sendall(b"x" * SIZE)
    read_exactly(tunnel, SIZE)


def sizes(rows):
    """Return how many rows count how many messages each way."""
    assert all(row.bytes_from_client % SIZE < HEADS for row in rows)
    assert all(row.bytes_to_client % SIZE < HEADS for row in rows)
    return Counter(
        (row.bytes_from_client // SIZE, row.bytes_to_client // SIZE) for row in rows
    )


def test_an_agent_that_is_killed_costs_no_connection_and_none_is_counted_twice(
    portal, haproxy_edge, note_figures
):
    edge = haproxy_edge("--tick-seconds", "5")
    tunnels = [open_tunnel(edge) for _ in range(TUNNELS)]
    for tunnel in tunnels:
        echo(tunnel)

    edge.kill_control()
    for tunnel in tunnels:
        echo(tunnel)  # HAProxy is still running
    for tunnel in tunnels[: TUNNELS // 2]:
        tunnel.close()  # while no agent sees it
    new = [open_tunnel(edge) for _ in range(TUNNELS)]
    edge.start()
    for tunnel in [*tunnels[TUNNELS // 2 :], *new]:
        echo(tunnel)
        tunnel.close()
    rows = final_rows(portal, edge, 2 * TUNNELS)

    half = TUNNELS // 2
    assert sizes(rows) == {(2, 2): half, (3, 3): half, (1, 1): TUNNELS}
    note_figures(f"{len(rows)} connections, the agent killed once: nothing lost")


def test_a_haproxy_that_is_killed_ends_what_is_known_with_its_last_reading(
    portal, haproxy_edge, note_figures
):
    edge = haproxy_edge()
    tunnels = [open_tunnel(edge) for _ in range(TUNNELS)]
    opened_at = time.time()
    for tunnel in tunnels:
        echo(tunnel)
    within(30, "all are known", lambda: len(portal.rows(edge.name)) == TUNNELS)
    time.sleep(FRESH_SECONDS + 2)
    for tunnel in tunnels:
        echo(tunnel)

    killed_at = time.time()
    for process in edge.haproxies():
        os.kill(process, signal.SIGKILL)
    assert {read_all(tunnel) for tunnel in tunnels} <= {b"", b"<reset>"}
    edge.wait_until_it_serves()
    all_are_final(portal, edge, TUNNELS)
    known = portal.rows(edge.name)
    # Nothing is accepted before the session of the new HAProxy is open.
    within(30, "it accepts tunnels again", lambda: request_tunnel(edge) == 101)
    with open_tunnel(edge) as later:
        echo(later)

    assert len(known) == TUNNELS
    assert portal.disputes(edge.name) == 0
    # The last reading may or may not include the second message, sent just before.
    assert {row.bytes_to_client // SIZE for row in known} <= {1, 2}
    assert max(row.bytes_from_client for row in known) <= 2 * SIZE + HEADS
    duration = killed_at - opened_at
    shortest = min(row.duration_us / 1e6 for row in known)
    assert duration - FRESH_SECONDS - 4 <= shortest
    assert max(row.duration_us / 1e6 for row in known) <= duration + 4
    note_figures(
        f"{TUNNELS} tunnels cut: at most {duration - shortest:.2f} s lost of one"
    )
