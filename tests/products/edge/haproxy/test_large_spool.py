"""An agent that is long in reading what the one before has written."""

import os
import signal
import time

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


def test_the_gate_follows_the_table_while_a_large_spool_is_read(fleet):
    host, _ = fleet.serve()
    opened(fleet, host)[0].close()
    final_record(fleet, host)
    fleet.kill_agent()
    (boot,) = (fleet.edge.data / "spool").glob("*/")
    endless = boot / "00000000.spool"
    os.mkfifo(endless)  # it is read for as long as it is held open here

    fleet.new_agent()
    with eventually(lambda: _being_read(endless)):
        fleet.change(host, websockets=False, refusal="Off.")
        refused = fleet.edge.ask(handshake(host))
        endless.unlink()

    assert status_of(refused) == 403
    fleet.change(host, websockets=True)
    opened(fleet, host)[0].close()
    eventually(
        lambda: (
            [r.final for r in fleet.portal.of_service(service_of(host))] == [True] * 2
        )
    )


def test_an_agent_that_is_stopped_while_it_reads_has_its_haproxy_wait(fleet):
    host, _ = fleet.serve()
    connection, _ = opened(fleet, host)
    eventually(lambda: fleet.portal.of_service(service_of(host)))
    fleet.kill_agent()
    assert echoes(connection, b"x" * 10_000)
    connection.close()  # nobody is there to see it
    (boot,) = (fleet.edge.data / "spool").glob("*/")
    endless = boot / "00000000.spool"
    os.mkfifo(endless)

    fleet.new_agent()
    with eventually(lambda: _being_read(endless)):
        fleet.edge.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert len(fleet.haproxies()) == 2
        endless.unlink()

    assert fleet.edge.process.wait(30) == 0
    (record,) = fleet.portal.of_service(service_of(host))
    assert record.final
    assert record.bytes_from_client >= 10_000


def _being_read(pipe):
    try:
        return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None
