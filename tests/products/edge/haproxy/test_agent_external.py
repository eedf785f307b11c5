"""The agent with a HAProxy that another program starts, for example systemd."""

import signal
import subprocess

import pytest

from tests.ci_rules import program
from tests.products.edge.fake_portal import FakePortal, eventually, origin, route
from tests.products.edge.running import Edge, handshake
from tests.products.edge.scripted import Origin, upgrade_then_echo

pytestmark = pytest.mark.haproxy


def first_bytes(edge):
    try:
        with edge.connect() as connection:
            connection.sendall(handshake("a.test"))
            return connection.recv(12)
    except OSError:
        return b""


def test_the_agent_waits_for_haproxy_and_follows_its_restart(tmp_path):
    echo = Origin(upgrade_then_echo)
    portal = FakePortal()
    portal.publish(route("a.test", origin(echo.port)))
    more = ["--engine", "haproxy", "--haproxy-managed-by", "external"]
    edge = Edge(portal, tmp_path, *more, wait=False)
    folder = edge.data / "haproxy"
    eventually((folder / "haproxy.cfg").exists)
    command = [
        program("haproxy"), "-Ws", "-q", "-C", str(folder),
        "-S", "unix@master.sock,mode,600", "-f", "haproxy.cfg",
    ]  # fmt: skip

    first = subprocess.Popen(command, cwd=folder)
    edge.wait_until_it_serves()
    eventually(lambda: first_bytes(edge) == b"HTTP/1.1 101")
    first.terminate()
    first.wait(20)
    second = subprocess.Popen(command, cwd=folder)
    eventually(lambda: first_bytes(edge) == b"HTTP/1.1 101")

    def reports_two_instances():
        records = portal.of_service("a-test")
        return len({record.id.split(".")[1] for record in records}) == 2

    eventually(lambda: first_bytes(edge) and reports_two_instances())
    assert edge.stop() == 0
    assert second.poll() is None
    second.terminate()
    second.wait(20)
    portal.close()
    echo.close()


def test_stopping_the_agent_does_not_stop_an_external_haproxy(haproxy):
    host, _ = haproxy.serve()
    haproxy.kill_agent()
    haproxy.start_agent("--haproxy-managed-by", "external")
    edge = haproxy.edge
    connection = edge.connect()
    connection.sendall(handshake(host))
    assert connection.recv(12) == b"HTTP/1.1 101"
    eventually(lambda: haproxy.portal.of_service(host.replace(".", "-")))

    edge.process.send_signal(signal.SIGTERM)

    assert edge.process.wait(20) == 0
    connection.recv(1000)
    connection.sendall(b"on")
    assert connection.recv(2) == b"on"
    connection.close()
    haproxy.start_agent()

    def final():
        (record,) = haproxy.portal.of_service(host.replace(".", "-"))
        return record if record.final else None

    assert eventually(final).bytes_to_client > 2
    known, _ = (haproxy.edge.data / "haproxy" / "instance").read_text().split()
    assert final().id.split(".")[1] == known
