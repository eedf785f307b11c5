"""One edge takes over from another: both serve for a while, and share one data folder."""

import threading
from pathlib import Path

import pytest

from products.edge.usage.store import StoredUsage
from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel
from tests.products.edge.running import Edge, get, handshake, read_exactly
from tests.products.edge.scripted import answering, plain_answer


def test_a_new_edge_takes_over_while_clients_keep_coming(stand):
    own = stand("--drain-seconds", "20")
    host, _ = own.serve(answering(plain_answer()))
    tunnel_host, _ = own.serve()
    tunnel = open_tunnel(own.edge, tunnel_host)
    failures, stop = [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            try:
                answer = own.edge.ask(get(host))
            except OSError as error:
                failures.append(error)
            else:
                failures.extend([answer] if b"200 OK" not in answer else [])

    asking = threading.Thread(target=keep_asking, daemon=True)
    asking.start()
    port = f"127.0.0.1:{own.edge.port}"
    after = Edge(own.portal, own.edge.folder, "--take-over", "--bind", port)
    eventually(lambda: own.edge.workers() == [] or _is_draining(own.edge))
    tunnel.sendall(b"kept by the old one")
    assert read_exactly(tunnel, 19) == b"kept by the old one"
    tunnel.close()
    assert own.edge.process.wait(30) == 0
    open_tunnel(after, tunnel_host).close()
    stop.set()
    asking.join(60)

    service = tunnel_host.replace(".", "-")
    finals = eventually(
        lambda: [r.final for r in own.portal.of_service(service)] == [True, True]
    )
    assert finals
    # Between the last look at the queue and its end one connection can slip in.
    assert len(failures) <= 1
    assert after.stop() == 0


@pytest.mark.parametrize(
    "pace",
    [
        pytest.param("0.1", id="the old one reports again and again"),
        pytest.param("600", id="the old one reports at its end"),
    ],
)
def test_connections_of_the_new_edge_are_counted_while_the_old_one_drains(stand, pace):
    own = stand("--drain-seconds", "60", "--report-seconds", pace)
    host, _ = own.serve()
    before = open_tunnel(own.edge, host)
    port = f"127.0.0.1:{own.edge.port}"
    more = ["--take-over", "--bind", port]
    after = Edge(own.portal, own.edge.folder, *more)
    eventually(lambda: _is_draining(own.edge))

    tunnel = open_tunnel(after, host)
    _echo(tunnel, 1000)
    instance = max((own.edge.data / "usage").glob("[!.]*/"))
    eventually(lambda: _revision(instance) > 2)
    before.close()
    assert own.edge.process.wait(30) == 0
    _echo(tunnel, 70)
    revision = _revision(instance)
    eventually(lambda: _revision(instance) > revision)
    with StoredUsage(instance) as stored:
        was_open = stored.open_connections() != []
    tunnel.close()

    records = eventually(
        lambda: _records_until_final(own.portal, f"edge-1.{instance.name}.1")
    )
    assert records[-1].bytes_from_client == len(handshake(host)) + 1070
    assert [record.final for record in records].index(True) == len(records) - 1
    assert was_open
    open_tunnel(after, host).close()
    assert after.stop() == 0


def _records_until_final(portal, name):
    """Return all records of a connection, once the last of them is final."""
    records = [
        record
        for report in list(portal.reports)
        for record in report.connections
        if record.id == name
    ]
    return records if records and records[-1].final else None


def _echo(tunnel, count):
    tunnel.sendall(b"x" * count)
    read_exactly(tunnel, count)


def _revision(instance):
    with StoredUsage(instance) as stored:
        return stored.newest()[0]


def _is_draining(edge):
    """Say whether no worker of the edge listens."""
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    held = {
        link.readlink().name
        for pid in edge.workers()
        for link in Path(f"/proc/{pid}/fd").iterdir()
    }
    return not any(f"socket:[{inode}]" in held for inode in inodes)
