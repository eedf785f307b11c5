"""Disabled in the portal, refused at the edge: how long it takes, and what happens to tunnels.

For each engine, because both keep the same promises.
"""

import time

import pytest

from tests.ci_rules import program
from tests.crash.portal import HOST
from tests.crash.portal_session import PortalSession
from tests.products.edge.contract.conftest import ENGINES
from tests.products.edge.running import (
    handshake,
    read_all,
    read_exactly,
    read_until,
    status_of,
)
from tests.stories.stack import REACH_SECONDS, within

# The goal is REACH_SECONDS, beside which the figures are read; a busy machine may take longer.
BUSY_SECONDS = 2 * REACH_SECONDS
TIMES = [1, pytest.param(20, marks=pytest.mark.nightly)]


@pytest.fixture
def sam(portal):
    """Return Acme's superuser, just signed in, which counts as a re-authentication."""
    person = portal.stack.person("superuser")
    return PortalSession(portal.url, person["login"], person["password"])


@pytest.fixture(params=ENGINES)
def edge(request, real_edge):
    """Return an edge that polls the route table at the default interval."""
    more = ["--engine", request.param, "--poll-seconds", "1"]
    if request.param == "haproxy":
        more += ["--haproxy", program("haproxy")]
    return real_edge(*more)


def opened(edge):
    """Try a handshake; return the connection and the status."""
    connection = edge.connect()
    connection.sendall(handshake(HOST))
    return connection, status_of(read_until(connection, b"\r\n\r\n"))


def answers(edge, status):
    """Tell whether a handshake gets this status now."""
    connection, answered = opened(edge)
    connection.close()
    return answered == status


def reach(edge, status):
    """Wait until handshakes get this status; return the seconds that took."""
    began = time.monotonic()
    within(BUSY_SECONDS, f"answers {status}", lambda: answers(edge, status))
    return time.monotonic() - began


@pytest.mark.parametrize("times", TIMES)
def test_a_product_that_is_disabled_is_refused_at_the_edge_and_its_tunnels_are_cut(
    sam, edge, note_figures, times
):
    refused, gone = [], []

    for _ in range(times):
        reach(edge, 101)
        tunnel, status = opened(edge)
        tunnel.sendall(b"here")
        assert (status, read_exactly(tunnel, 4)) == (101, b"here")

        sam.submit(
            "/products/websockets/disable/", drain_mode="cut", typed="WebSockets"
        )
        began = time.monotonic()
        refused.append(reach(edge, 403))
        assert read_all(tunnel) in {b"", b"<reset>"}
        gone.append(time.monotonic() - began)
        sam.submit("/products/websockets/enable/", agree="on")
    reach(edge, 101)

    slowest, cut = max(refused), max(gone)
    note_figures(
        f"{times} times: refused within {slowest:.2f} s, tunnels gone within {cut:.2f} s"
    )
    assert slowest <= BUSY_SECONDS
    assert cut <= BUSY_SECONDS


@pytest.mark.parametrize("times", TIMES)
def test_a_service_that_is_switched_off_through_the_api_is_refused_at_the_edge(
    portal, edge, note_figures, times
):
    echo = portal.stack.service("echo")
    path = f"/api/enabled-products/v1/websockets/services/{echo}"
    refused = []

    for _ in range(times):
        reach(edge, 101)
        assert portal.stack.api("DELETE", path, "engineer")[0] == 204
        refused.append(reach(edge, 403))
        assert portal.stack.api("PUT", path, "engineer")[0] == 200
    reach(edge, 101)

    note_figures(f"{times} times: refused within {max(refused):.2f} s")
    assert max(refused) <= BUSY_SECONDS


@pytest.fixture
def versions(portal):
    """Return the paths of the active version, and of one without its domain."""
    service = f"/api/service/{portal.stack.service('echo')}"
    details = portal.stack.api("GET", f"{service}/details", "engineer")[1]
    with_domain = f"{service}/version/{details['active_version']['number']}"
    clone = portal.stack.api("PUT", f"{with_domain}/clone", "engineer")[1]
    without = f"{service}/version/{clone['number']}"
    other = {"name": f"version-{clone['number']}.localhost"}
    assert portal.stack.api("POST", f"{without}/domain", "engineer", other)[0] == 200
    assert portal.stack.api("DELETE", f"{without}/domain/{HOST}", "engineer")[0] == 200
    return with_domain, without


@pytest.mark.parametrize("times", TIMES)
def test_a_domain_that_a_deploy_drops_is_refused_at_the_edge(
    portal, edge, note_figures, versions, times
):
    with_domain, without = versions
    refused = []

    for _ in range(times):
        reach(edge, 101)
        assert portal.stack.api("PUT", f"{without}/activate", "engineer")[0] == 200
        refused.append(reach(edge, 404))
        assert portal.stack.api("PUT", f"{with_domain}/activate", "engineer")[0] == 200
    reach(edge, 101)

    note_figures(f"{times} times: refused within {max(refused):.2f} s")
    assert max(refused) <= BUSY_SECONDS
