"""An edge with HAProxy for each test; no process of it may be left."""

import os
import signal

import pytest

from tests.products.edge.haproxy.haproxy_stand import HAProxyStand


@pytest.fixture
def haproxy(tmp_path):
    stand = HAProxyStand(tmp_path)
    yield stand
    stand.close()
    left = stand.haproxies()
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []
