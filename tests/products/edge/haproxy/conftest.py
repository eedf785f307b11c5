"""An edge with HAProxy for each test, of which nothing may be left."""

import os
import signal

import pytest

from tests.products.edge.haproxy.fleet_stand import FleetStand


@pytest.fixture
def fleet(tmp_path):
    one = FleetStand(tmp_path)
    yield one
    one.close()
    left = one.haproxies()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []
