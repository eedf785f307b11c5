"""An agent that needs long to open the usage store of an earlier one."""

import contextlib
import signal
import sqlite3
import time

import pytest

from tests.products.edge.contract.speaking import (
    echoes,
    final_record,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, open_files, status_of

pytestmark = pytest.mark.haproxy


@contextlib.contextmanager
def locked_store(haproxy):
    """Lock the store exclusively, and start an agent that waits for it."""
    (path,) = (haproxy.edge.data / "usage").glob("*/usage.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as lock:
        lock.execute("PRAGMA locking_mode = EXCLUSIVE")
        lock.execute("BEGIN EXCLUSIVE")
        haproxy.start_agent()
        eventually(lambda: str(path) in open_files(haproxy.edge.process.pid))
        yield


def test_permissions_follow_the_table_while_a_store_is_opened(haproxy):
    host, _ = haproxy.serve()
    opened(haproxy, host)[0].close()
    final_record(haproxy, host)
    haproxy.kill_agent()

    with locked_store(haproxy):
        haproxy.change(host, websockets=False, refusal="Off.")
        refused = haproxy.edge.ask(handshake(host))

    assert status_of(refused) == 403
    haproxy.change(host, websockets=True)
    opened(haproxy, host)[0].close()
    eventually(
        lambda: (
            [r.final for r in haproxy.portal.of_service(service_of(host))] == [True] * 2
        )
    )


def test_an_agent_stopped_while_it_opens_a_store_keeps_haproxy_running_until_then(
    haproxy,
):
    host, _ = haproxy.serve()
    connection, _ = opened(haproxy, host)
    eventually(lambda: haproxy.portal.of_service(service_of(host)))
    haproxy.kill_agent()
    assert echoes(connection, b"x" * 10_000)
    connection.close()  # while no agent sees it

    with locked_store(haproxy):
        haproxy.edge.process.send_signal(signal.SIGTERM)
        eventually(lambda: time.time() - haproxy.portal.statuses[-1].at > 0.5)
        assert len(haproxy.haproxies()) == 2

    assert haproxy.edge.process.wait(30) == 0
    (record,) = haproxy.portal.of_service(service_of(host))
    assert record.final
    assert record.bytes_from_client >= 10_000
