"""An agent that is long in opening what the one before has written."""

import contextlib
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.products.edge.contract.speaking import (
    echoes,
    final_record,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.running import handshake, status_of

pytestmark = pytest.mark.haproxy


@contextlib.contextmanager
def locked_store(fleet):
    """Keep everyone else out of the store, and let an agent start meanwhile."""
    (path,) = (fleet.edge.data / "usage").glob("*/usage.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as lock:
        lock.execute("PRAGMA locking_mode = EXCLUSIVE")
        lock.execute("BEGIN EXCLUSIVE")
        fleet.new_agent()
        eventually(lambda: _has_open(fleet.edge.process.pid, path))
        yield


def _has_open(process, path):
    links = Path(f"/proc/{process}/fd").iterdir()
    return any(_target(link) == str(path) for link in links)


def _target(link):
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_permissions_follow_the_table_while_a_store_is_opened(fleet):
    host, _ = fleet.serve()
    opened(fleet, host)[0].close()
    final_record(fleet, host)
    fleet.kill_agent()

    with locked_store(fleet):
        fleet.change(host, websockets=False, refusal="Off.")
        refused = fleet.edge.ask(handshake(host))

    assert status_of(refused) == 403
    fleet.change(host, websockets=True)
    opened(fleet, host)[0].close()
    eventually(
        lambda: (
            [r.final for r in fleet.portal.of_service(service_of(host))] == [True] * 2
        )
    )


def test_an_agent_that_is_stopped_while_it_opens_a_store_lets_its_haproxy_wait(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    eventually(lambda: fleet.portal.of_service(service_of(host)))
    fleet.kill_agent()
    assert echoes(connection, b"x" * 10_000)
    connection.close()  # while no agent sees it

    with locked_store(fleet):
        fleet.edge.process.send_signal(signal.SIGTERM)
        eventually(lambda: time.time() - fleet.portal.statuses[-1].at > 0.5)
        assert len(fleet.haproxies()) == 2

    assert fleet.edge.process.wait(30) == 0
    (record,) = fleet.portal.of_service(service_of(host))
    assert record.final
    assert record.bytes_from_client >= 10_000
