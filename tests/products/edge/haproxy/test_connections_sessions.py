"""Metering sessions: one per HAProxy; opening it is retried until it succeeds."""

import asyncio
import os
import signal
import time
import uuid

import pytest

from products.edge.errors import EdgeError
from products.edge.haproxy.agent import Agent
from products.edge.haproxy.connections import MeteringSession
from products.edge.haproxy.process import Processes
from products.edge.portal import PortalLink
from tests.products.edge.contract.speaking import (
    final_record,
    opened,
    service_of,
)
from tests.products.edge.fake_portal import eventually
from tests.products.edge.haproxy.metering import in_table
from tests.products.edge.running import handshake, read_until
from tests.products.edge.test_portal import settings
from tests.products.edge.usage.test_reporter import Client

UUID = "{:08x}-0000-4000-8000-000000000000"


def first_line(haproxy, host):
    try:
        with haproxy.edge.connect() as connection:
            connection.sendall(handshake(host))
            return read_until(connection, b"\r\n").rstrip()
    except (OSError, AssertionError):  # HAProxy is not there yet
        return b""


@pytest.mark.haproxy
def test_opening_a_session_is_retried_and_nothing_upgrades_meanwhile(
    haproxy,
):
    host, there = haproxy.serve()
    opened(haproxy, host)[0].close()
    final_record(haproxy, host)
    instance = haproxy.edge.data / "haproxy" / "instance"
    instance.unlink()
    instance.mkdir()  # so the file cannot be replaced
    for process in haproxy.haproxies():
        os.kill(process, signal.SIGKILL)

    eventually(lambda: b" 503 " in first_line(haproxy, host))
    connections = there.connections
    refused = haproxy.edge.ask(handshake(host))
    assert eventually(lambda: not haproxy.wait_until_applied().store_is_writable)
    instance.rmdir()

    assert EdgeError.USAGE_NOT_RECORDED.sentence().encode() in refused
    assert there.connections == connections
    eventually(lambda: first_line(haproxy, host) == b"HTTP/1.1 101 Switching Protocols")
    eventually(lambda: len(haproxy.portal.of_service(service_of(host))) == 2)


def agent_in(folder):
    """Return an agent that has no HAProxy and no session yet."""
    return Agent(settings(folder), PortalLink(settings(folder), Client()), "haproxy")


def accept_line(number):
    return {"ev": "accept", "id": UUID.format(number), "svc": "shop", "at": 1_000_000}


def test_a_line_without_a_session_is_left_to_the_tables(tmp_path):
    agent = agent_in(tmp_path)

    agent._take_line(accept_line(1))
    session = session_in(tmp_path)

    assert agent._session is None
    assert not session.meter.open


def test_an_upgrade_above_a_limit_is_counted_without_a_session(tmp_path):
    agent = agent_in(tmp_path)

    agent._take_line(accept_line(1) | {"ev": "service_full"})

    assert agent.status().rejected_connections == 1


ONE_WORKER = Processes(master=1, current=(2,), old=())


class Master:
    """HAProxy's socket, with one table of connections."""

    def __init__(self, entries):
        self.entries = entries

    async def table(self, worker, name, only=""):
        wanted = self.entries if name == "t_conn" else []
        return [one for one in wanted if one.is_used or not only]


def test_a_connection_made_while_no_agent_ran_is_counted_without_lines(tmp_path):
    started_us = int((time.time() - 60) * 1_000_000)
    entry = in_table(
        str(uuid.uuid4()), started_us, up=700, down=900, is_used=False, quiet_ms=30_000
    )
    session = session_in(tmp_path)

    async def polls():
        for _ in range(3):
            await session.poll(Master([entry]), ONE_WORKER)

    asyncio.run(polls())

    assert not session.meter.open
    assert len(session.unannounced) == 1


def session_in(folder, identity="1@1"):
    return MeteringSession(
        identity, folder, folder / "usage", max_bytes=1 << 30, route_of={}.get
    )


def test_another_agent_continues_the_instance_of_the_same_master(tmp_path):
    before = session_in(tmp_path)
    before.meter.close()

    assert session_in(tmp_path).instance == before.instance
    assert session_in(tmp_path, "2@2").instance != before.instance


def test_a_session_that_cannot_be_opened_leaves_its_instance_to_the_next_try(tmp_path):
    (tmp_path / "instance").mkdir()  # so the file cannot be replaced

    with pytest.raises(OSError, match="instance"):
        session_in(tmp_path)

    assert not (tmp_path / "usage").exists()


@pytest.mark.parametrize("damage", [b"", b"one", b"a b c", b"\xff\xff 1@1"])
def test_a_damaged_note_of_the_instance_starts_another(tmp_path, damage):
    before = session_in(tmp_path)
    before.meter.close()
    (tmp_path / "instance").write_bytes(damage)

    assert session_in(tmp_path).instance != before.instance


def test_a_damaged_store_is_replaced_under_the_same_instance(tmp_path):
    """Under another instance, all open connections would be counted twice."""
    before = session_in(tmp_path)
    before.take(accept_line(1))
    before.meter.close()
    (tmp_path / "usage" / before.instance / "usage.db").write_bytes(b"garbage" * 1000)

    after = session_in(tmp_path)

    assert after.instance == before.instance
    assert after.store.is_replacement
