"""Fixtures: one edge shared by tests that change nothing in it, and edges for a single test."""

import itertools

import pytest

from tests.products.edge.fake_portal import FakePortal, origin, route
from tests.products.edge.running import Edge, opened_sockets, started_edges
from tests.products.edge.scripted import Origin, upgrade_then_echo

_numbers = itertools.count(1)


@pytest.fixture
def day_of_tests():
    """Leave the clock as it is: edges are other processes."""


class Stand:
    """An edge with its portal; services are added, each with a host and an origin."""

    def __init__(self, folder, *more, env=None):
        self.portal = FakePortal()
        self.edge = Edge(self.portal, folder, *more, env=env)
        self.routes = {}
        self.origins = []
        self.spare = []  # services that no test has used
        self.prepared = 1  # so many of them are added together

    def serve(self, script=upgrade_then_echo, *, host="", tls=None, **changes):
        """Add a service; gives its host and its origin.

        An ordinary one is taken from those in reserve: a new table takes HAProxy a reload.
        """
        if host or tls or changes:
            host, there = self._add(host, tls, **changes)
            self.edge.apply(*self.routes.values())
        else:
            if not self.spare:
                self.spare = [self._add() for _ in range(self.prepared)]
                self.edge.apply(*self.routes.values())
            host, there = self.spare.pop(0)
        there.script = script
        return host, there

    def _add(self, host="", tls=None, *, to=None, **changes):
        there = Origin(upgrade_then_echo, tls)
        self.origins.append(there)
        host = host or f"host-{next(_numbers)}.test"
        to = to or origin(there.port, use_tls=tls is not None)
        self.routes[host] = route(host, to, **changes)
        return host, there

    def change(self, host, **changes):
        """Add or replace a service, and wait until the edge uses it."""
        if host in self.routes and "to" not in changes:
            changes["to"] = self.routes[host].origin
        self.routes[host] = route(host, **changes)
        self.edge.apply(*self.routes.values())

    def remove(self, host):
        del self.routes[host]
        self.edge.apply(*self.routes.values())

    def close(self):
        for connection in opened_sockets:
            connection.close()
        code = self.edge.stop()
        self.portal.close()
        for there in self.origins:
            there.close()
        return code


@pytest.fixture(autouse=True)
def _nothing_stays_open(tmp_path):
    """Close a test's sockets and end its edges, so that one failure stays one.

    An edge cannot stop in order once its folder, in `tmp_path`, has been removed.
    """
    sockets, edges = len(opened_sockets), len(started_edges)
    yield
    for connection in opened_sockets[sockets:]:
        connection.close()
    for edge in started_edges[edges:]:
        if not edge.is_shared:
            edge.stop()


@pytest.fixture(scope="session")
def shared_stand(tmp_path_factory):
    stand = Stand(tmp_path_factory.mktemp("edge"))
    stand.edge.is_shared = True
    yield stand
    stand.close()


@pytest.fixture
def stand(tmp_path):
    """Start edges of a test's own: call it with further arguments."""
    started: list[Stand] = []

    def start(*more, env=None):
        one = Stand(tmp_path / str(len(started)), *more, env=env)
        started.append(one)
        return one

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def echo_host(shared_stand):
    """A host whose origin upgrades and echoes."""
    return shared_stand.serve()
