"""A real portal and an origin for the crash tests."""

import pytest

from tests.crash.edges import RealEdge
from tests.crash.portal import real_portal
from tests.crash.swarm import EchoOrigin, Swarm
from tests.products.edge.running import opened_sockets, started_edges


@pytest.fixture(scope="session")
def portal(tmp_path_factory, demo):
    """Return a running portal; a test that kills it starts it again."""
    with real_portal(tmp_path_factory.mktemp("portal"), demo) as portal:
        yield portal


@pytest.fixture(scope="session", autouse=True)
def _origin(portal):
    origin = EchoOrigin(portal.origin_port)
    yield
    origin.close()


@pytest.fixture
def real_edge(portal, tmp_path):
    """Return a function that starts an edge with further arguments; edges are stopped after the test."""
    edges, sockets = len(started_edges), len(opened_sockets)

    def start(*more, at=portal):
        return RealEdge(portal, tmp_path, *more, at=at)

    yield start
    for edge in started_edges[edges:]:
        edge.stop()
    for connection in opened_sockets[sockets:]:
        connection.close()


@pytest.fixture
def swarm_at():
    """Return a function that starts clients of an edge; they are stopped after the test."""
    swarms = []

    def start(edge, **how):
        swarms.append(Swarm(edge.port, **how))
        return swarms[-1]

    yield start
    for swarm in swarms:
        swarm.close()
