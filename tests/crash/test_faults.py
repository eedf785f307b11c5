"""Faults between edge and portal do not change the totals."""

import time

import pytest

from tests.crash.counting import final_rows
from tests.crash.edges import TICK_SECONDS
from tests.crash.outcome import check_outcome
from tests.crash.proxy import FAULTS, FaultProxy
from tests.crash.swarm import plain_request

PACKED = 2048  # bytes of a gzipped report; one reading takes about 300


@pytest.fixture
def proxy_to(portal):
    """Return a function that starts a proxy in front of the portal."""
    proxies = []

    def start(**plan):
        proxies.append(FaultProxy(portal.url, **plan))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


def count_through_faults(portal, edge, swarm_at, proxy, *, clients, seed, away_seconds):
    """Let clients connect while no report arrives, then while each report has a fault."""
    swarm = swarm_at(edge, clients=clients, seed=seed, lives=2.0)
    proxy.is_down = True
    time.sleep(away_seconds)
    proxy.is_down = False
    pages = 0
    until = time.monotonic() + 60
    while not proxy.is_through and time.monotonic() < until:
        assert plain_request(edge.port).endswith(b"hello")
        pages += 1
        time.sleep(0.1)
    swarm.stop()
    rows = final_rows(portal, edge, len(swarm.opened))
    proxy.deliver_late()
    assert sorted(portal.rows(edge.name)) == sorted(rows)
    # Pages were also asked for until the edge served; what it stored is what was delivered.
    assert portal.delivery(edge.name) == edge.stored_delivery()
    assert portal.delivery(edge.name)[0] >= pages
    assert set(proxy.done) >= set(FAULTS)
    return check_outcome(swarm, rows, [], TICK_SECONDS)


def test_faults_between_edge_and_portal_change_no_total(
    portal, real_edge, swarm_at, proxy_to, note_figures
):
    proxy = proxy_to(seed=1, times=1)
    # After each failed report the pause doubles.
    edge = real_edge("--tick-seconds", "0.1", "--report-seconds", "0.05", at=proxy)

    outcome = count_through_faults(
        portal, edge, swarm_at, proxy, clients=30, seed=1, away_seconds=1.5
    )

    note_figures(f"seed 1, {sum(proxy.done.values())} reports: {outcome}")
    assert outcome.unseen == outcome.cut == 0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(5))
def test_many_faults_between_edge_and_portal_change_no_total(
    portal, real_edge, swarm_at, proxy_to, note_figures, seed
):
    proxy = proxy_to(seed=seed, times=4)
    edge = real_edge(
        "--tick-seconds",
        "0.1",
        "--processes",
        "2",
        at=proxy,
    )

    outcome = count_through_faults(
        portal, edge, swarm_at, proxy, clients=80, seed=seed, away_seconds=8
    )

    note_figures(
        f"seed {seed}, {sum(proxy.done.values())} reports, the largest {proxy.largest_packed} "
        f"bytes packed: {outcome}"
    )
    assert outcome.unseen == outcome.cut == 0
    assert proxy.largest_packed >= PACKED
