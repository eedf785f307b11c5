"""The agent beside a HAProxy that somebody else runs, as systemd does."""

import json
import signal
import subprocess

import pytest

from tests.ci_rules import program
from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.running import Edge, handshake
from tests.products.edge.scripted import Origin, upgrade_then_echo

pytestmark = pytest.mark.haproxy


def answer(edge):
    try:
        with edge.connect() as connection:
            connection.sendall(handshake("a.test"))
            return connection.recv(12)
    except OSError:
        return b""


def test_the_agent_writes_waits_and_goes_with_whatever_haproxy_comes(tmp_path):
    there = Origin(upgrade_then_echo)
    portal = FakePortal()
    portal.publish(route("a.test", origin(there.port)))
    more = ["--engine", "haproxy", "--haproxy-managed-by", "external"]
    edge = Edge(portal, tmp_path, *more, wait=False)
    folder = edge.data / "haproxy"
    eventually((folder / "loaded").exists)
    command = [
        program("haproxy"), "-Ws", "-q", "-C", str(folder),
        "-S", "unix@master.sock,mode,600", "-f", "haproxy.cfg",
    ]  # fmt: skip

    first = subprocess.Popen(command, cwd=folder)
    edge.wait_until_it_serves()
    eventually(lambda: answer(edge) == b"HTTP/1.1 101")
    first.terminate()
    first.wait(20)
    second = subprocess.Popen(command, cwd=folder)
    eventually(lambda: answer(edge) == b"HTTP/1.1 101")

    def of_two_instances():
        records = portal.of_service("a-test")
        return len({record.id.split(".")[1] for record in records}) == 2

    eventually(lambda: answer(edge) and of_two_instances())
    assert edge.stop() == 0
    assert second.poll() is None
    second.terminate()
    second.wait(20)
    portal.close()
    there.close()


def test_beside_a_haproxy_run_by_another_the_agent_alone_stops(fleet, tmp_path):
    host, _ = fleet.serve()
    fleet.kill_agent()
    more = fleet.more
    bind = ["--bind", f"127.0.0.1:{fleet.edge.port}"]
    beside = Edge(
        fleet.portal, tmp_path, *more, *bind, "--haproxy-managed-by", "external"
    )
    connection = beside.connect()
    connection.sendall(handshake(host))
    assert connection.recv(12) == b"HTTP/1.1 101"
    eventually(lambda: fleet.portal.of_service(host.replace(".", "-")))

    beside.process.send_signal(signal.SIGTERM)

    assert beside.process.wait(20) == 0
    connection.recv(1000)
    connection.sendall(b"on")
    assert connection.recv(2) == b"on"
    connection.close()
    fleet.edge = Edge(fleet.portal, tmp_path, *more, *bind)

    def final():
        (record,) = fleet.portal.of_service(host.replace(".", "-"))
        return record if record.final else None

    assert eventually(final).bytes_to_client > 2
    known = json.loads((fleet.edge.data / "haproxy" / "instance.json").read_text())
    assert final().id.split(".")[1] == known["instance"]
